// A small shop to try Spate on: `node examples/shop_server.mjs [port]`, loopback only.  It prints
// its URL, answers with delays like a real one's, and refuses an order now and then.
import http from 'node:http';

const products = Array.from({ length: 40 }, (_, i) => ({
  id: i + 1,
  name: `${['Lamp', 'Chair', 'Desk', 'Shelf'][i % 4]} ${i + 1}`,
  price: 19 + i * 3,
}));
const carts = new Map();
let nextCart = 1;

// Milliseconds: mostly around `middle`, with the long tail that makes percentiles worth a look.
function delay(middle) {
  const tail = Math.random() < 0.02 ? middle * 8 * Math.random() : 0;
  return middle * (0.5 + Math.random()) + tail;
}

function answer(res, status, body, wait) {
  const isText = typeof body === 'string';
  setTimeout(() => {
    if (res.destroyed) return;
    res.writeHead(status, { 'Content-Type': isText ? 'text/html; charset=utf-8' : 'application/json' });
    res.end(isText ? body : JSON.stringify(body));
  }, wait);
}

function readBody(req, limit = 65536) {
  return new Promise((resolve) => {
    let text = '';
    req.on('data', (chunk) => {
      if (text.length < limit) text += chunk;
    });
    req.on('end', () => resolve(text));
    req.on('error', () => resolve(''));
  });
}

async function postCart(req, res) {
  let item;
  try {
    item = JSON.parse(await readBody(req));
  } catch {
    return answer(res, 400, { error: 'the body is not JSON' }, 1);
  }
  if (carts.size > 100000) carts.clear();
  const id = nextCart++;
  carts.set(String(id), item);
  return answer(res, 201, { id }, delay(12));
}

async function postOrder(req, res) {
  const cart = new URLSearchParams(await readBody(req)).get('cart');
  if (!carts.delete(cart)) return answer(res, 404, { error: 'no such cart' }, 2);
  if (Math.random() < 0.01) return answer(res, 503, { error: 'payment is busy' }, delay(80));
  return answer(res, 201, { state: 'paid' }, delay(45));
}

const home = `<!doctype html><title>Shop</title><h1>Shop</h1><ul>${products
  .map((p) => `<li>${p.name}</li>`)
  .join('')}</ul>`;

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://shop');
  const product = /^\/api\/products\/(\d+)$/.exec(url.pathname);
  if (req.method === 'GET' && url.pathname === '/') return answer(res, 200, home, delay(8));
  if (req.method === 'GET' && url.pathname === '/api/products') return answer(res, 200, { products }, delay(6));
  if (req.method === 'GET' && product) {
    const found = products[Number(product[1]) - 1];
    return found ? answer(res, 200, found, delay(10)) : answer(res, 404, { error: 'no such product' }, 2);
  }
  if (req.method === 'GET' && url.pathname === '/api/search') {
    const word = (url.searchParams.get('q') || '').toLowerCase();
    return answer(res, 200, { products: products.filter((p) => p.name.toLowerCase().includes(word)) }, delay(25));
  }
  if (req.method === 'POST' && url.pathname === '/api/cart') return postCart(req, res);
  if (req.method === 'POST' && url.pathname === '/api/orders') return postOrder(req, res);
  return answer(res, 404, { error: 'not found' }, 1);
});

server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => {
  console.log(`shop: http://127.0.0.1:${server.address().port}`);
});
