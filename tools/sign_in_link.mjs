// Prints a link that signs a browser in, once: node sign_in_link.mjs HOST TOKEN_FILE PATH
import { readFileSync } from 'node:fs';

const [host, tokenFile, path] = process.argv.slice(2);
const res = await fetch(`${host}/session/link`, {
  method: 'POST',
  headers: { Authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` },
});
if (!res.ok) {
  console.error(`${host}/session/link answered with status ${res.status}: ${await res.text()}`);
  process.exit(1);
}
const { url } = await res.json();
console.log(`${url}?to=${encodeURIComponent(path)}`);
