// Clicks through the status page as people do, and lets axe-core look at each page.
//
//   node status-page.js URL FOLDER   screenshots go to FOLDER; exits 1 with what is wrong, a line each
const { chromium } = require('playwright-core');
const axe = require('axe-core');
const path = require('path');

const [url, folder] = process.argv.slice(2);
const faults = [];
const check = (holds, what) => holds || faults.push(what);
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

// Serious findings of axe-core; its own script runs past the page's policy, as a debugger's does.
async function judge(page, name) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  for (const one of violations.filter((v) => ['serious', 'critical'].includes(v.impact))) {
    faults.push(`${name}: ${one.id}: ${one.help}: ${one.nodes.map((node) => node.target).join(' ')}`);
  }
}

async function look(browser, colorScheme, viewport) {
  const name = `${colorScheme}-${viewport.width}`;
  const context = await browser.newContext({ colorScheme, viewport, javaScriptEnabled: true });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && faults.push(`${name}: console: ${message.text()}`));
  page.on('request', (request) => check(request.url().startsWith(url), `${name}: asks for ${request.url()}`));
  await page.goto(url);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  check(!wide, `${name}: the page is wider than the screen`);
  await judge(page, `${name} overview`);
  await page.screenshot({ path: path.join(folder, `overview-${name}.png`), fullPage: true });
  await page.click('table a[href="/assets/certificates/edge"]');
  check((await page.textContent('h1')).includes('certificates/edge'), `${name}: no page of the asset`);
  await page.click('summary');
  check(await page.isVisible('details table'), `${name}: the table does not unfold`);
  await judge(page, `${name} asset`);
  await page.screenshot({ path: path.join(folder, `asset-${name}.png`), fullPage: true });
  await page.click('.back a');
  check((await page.locator('h1').textContent()).startsWith('Keyturn'), `${name}: no way back`);
  const problem = page.locator('.problem .code a').first();
  if (await problem.count()) {
    await problem.click();
    check((await page.textContent('h1')).startsWith('KT-'), `${name}: no page of the problem`);
    await judge(page, `${name} problem`);
  }
  await context.close();
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: QUIET });
  for (const scheme of ['light', 'dark']) for (const size of [WIDE, PHONE]) await look(browser, scheme, size);
  // It works without a script as well.
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(url);
  await page.click('table a[href="/assets/certificates/edge"]');
  check(page.url().endsWith('/assets/certificates/edge'), 'without scripts: no page of the asset');
  await browser.close();
  faults.forEach((fault) => console.error(fault));
  process.exit(faults.length ? 1 : 0);
})().catch((error) => { console.error(error); process.exit(2); });
