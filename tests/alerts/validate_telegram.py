"""Has a payload of Telegram checked by aiogram's types of the Bot API: prints what is wrong with it, as JSON."""

import html.parser
import json
import sys

from aiogram.enums import ParseMode
from aiogram.methods import SendMessage
from aiogram.types import LinkPreviewOptions
from pydantic import ValidationError

# What the API's page allows in a text with parse_mode HTML: marks without attributes, of which we use two.
MARKS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "blockquote", "tg-spoiler"}

payload = json.load(sys.stdin)
faults = []


class Text(html.parser.HTMLParser):
    """The text as it is shown, and the marks that are open."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.shown = [], ""

    def handle_starttag(self, tag, attrs):
        if tag not in MARKS or attrs:
            faults.append(f"a mark that is not known: {tag} {attrs}")
        self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            faults.append(f"{tag} ends and is not open")

    def handle_data(self, data):
        self.shown += data


for field in set(payload) - set(SendMessage.model_fields):
    faults.append(f"sendMessage has no field {field}")
for field in set(payload.get("link_preview_options", {})) - set(LinkPreviewOptions.model_fields):
    faults.append(f"LinkPreviewOptions has no field {field}")
try:
    SendMessage.model_validate(payload, strict=True)
except ValidationError as error:
    faults.extend(str(one["loc"]) + ": " + one["msg"] for one in error.errors())
if payload.get("parse_mode") not in list(ParseMode):
    faults.append(f"no such parse_mode: {payload.get('parse_mode')}")
raw = payload.get("text") or ""
text = Text()
text.feed(raw)
text.close()
if text.open:
    faults.append(f"open at the end: {text.open}")
if any(part and not part[0].isalpha() and part[0] != "/" for part in raw.split("<")[1:]):
    faults.append("a < that begins no mark")
if len(text.shown.encode("utf-16-le")) // 2 > 4096:
    faults.append("more than 4096 characters")
print(json.dumps(faults))
