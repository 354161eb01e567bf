// Has a payload of Discord or Teams checked by the vendors' own libraries: prints what is wrong with it, as JSON.
const text = require('fs').readFileSync(0, 'utf8');
const [vendor, folder] = process.argv.slice(2);
const library = (name) => require(require.resolve(name, { paths: [folder] }));
const payload = JSON.parse(text);
const faults = [];

if (vendor === 'discord') {
  const { EmbedBuilder, embedLength } = library('@discordjs/builders');
  if ((payload.content ?? '').length > 2000) faults.push('content is too long');
  if (payload.embeds.length > 10) faults.push('too many embeds');
  for (const embed of payload.embeds) {
    try {
      const built = new EmbedBuilder().setTitle(embed.title).setDescription(embed.description);
      built.setColor(embed.color).setTimestamp(new Date(embed.timestamp));
      const { title, description, color, timestamp } = built.toJSON();
      const known = { title, description, color, timestamp };
      for (const key of Object.keys(embed)) if (!(key in known)) faults.push(`unknown: ${key}`);
      if (embedLength(built.toJSON()) > 6000) faults.push('more than 6000 characters in all');
    } catch (error) {
      faults.push(String(error));
    }
  }
}

if (vendor === 'teams') {
  const ac = library('adaptivecards/dist/adaptivecards.js');
  if (Buffer.byteLength(text) > 28 * 1024) faults.push('more than 28 KB');
  for (const attachment of payload.attachments) {
    if (attachment.contentType !== 'application/vnd.microsoft.card.adaptive') faults.push('no card');
    const card = new ac.AdaptiveCard();
    const context = new ac.SerializationContext();
    card.parse(attachment.content, context);
    for (let at = 0; at < context.eventCount; at++) faults.push(context.getEventAt(at).message);
    for (const event of card.validateProperties().validationEvents) faults.push(event.message);
    if (card.getItemCount() === 0) faults.push('nothing is shown');
  }
}

console.log(JSON.stringify(faults));
