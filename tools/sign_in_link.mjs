// Prints a link that signs a browser in, once: node sign_in_link.mjs HOST TOKEN_FILE PATH
// The PATH /runs/newest is that of the newest run.
import { readFileSync } from 'node:fs';

const [host, tokenFile, wanted] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` };

async function ask(path, method = 'GET') {
  const res = await fetch(host + path, { method, headers });
  if (!res.ok) {
    console.error(`${host}${path} answered with status ${res.status}: ${await res.text()}`);
    process.exit(1);
  }
  return res.json();
}

async function resolvePath() {
  if (wanted !== '/runs/newest') return wanted;
  const { value } = await ask('/cloud/v6/test_runs?$orderby=created%20desc&$top=1');
  return value.length > 0 ? `/runs/${value[0].id}` : '/runs';
}

const { url } = await ask('/session/link', 'POST');
console.log(`${url}?to=${encodeURIComponent(await resolvePath())}`);
