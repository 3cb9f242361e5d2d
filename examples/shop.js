// A visit to the sample shop: look at the home page, search, open a product, put it into the cart,
// check out.  BASE_URL names the shop (examples/shop_server.mjs is one).
import http from 'k6/http';
import { check, group, sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';

const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';

const orders = new Counter('orders');
const paid = new Rate('orders_paid');
const checkoutTime = new Trend('checkout_time', true);

export const options = {
  scenarios: {
    browsers: {
      executor: 'ramping-vus',
      exec: 'browse',
      startVUs: 2,
      stages: [
        { duration: '10s', target: 20 },
        { duration: '15s', target: 20 },
        { duration: '5s', target: 0 },
      ],
      gracefulRampDown: '3s',
      gracefulStop: '3s',
    },
    buyers: {
      executor: 'constant-vus',
      exec: 'buy',
      vus: 5,
      duration: '25s',
      startTime: '3s',
      gracefulStop: '3s',
      tags: { kind: 'buyer' },
    },
  },
  thresholds: {
    http_req_failed: ['rate<0.05'],
    http_req_duration: ['p(95)<500', 'p(99)<1000'],
    'http_req_duration{scenario:buyers}': ['p(95)<700'],
    checks: ['rate>0.95'],
    orders: ['count>10'],
  },
};

export function setup() {
  const res = http.get(`${BASE_URL}/api/products`, { tags: { name: 'products' } });
  if (res.status !== 200) {
    throw new Error(`the shop at ${BASE_URL} doesn't answer: ${res.error || res.status}`);
  }
  return { products: res.json('products.#.id') };
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function openProduct(data) {
  const id = pick(data.products);
  const res = http.get(`${BASE_URL}/api/products/${id}`, { tags: { name: 'product' } });
  check(res, {
    'product is there': (r) => r.status === 200,
    'product has a price': (r) => r.json('price') > 0,
  });
  return id;
}

export function browse(data) {
  group('home', () => {
    const res = http.get(`${BASE_URL}/`, { tags: { name: 'home' } });
    check(res, { 'home page loads': (r) => r.status === 200 });
  });
  sleep(0.2 + Math.random() * 0.3);
  group('search', () => {
    const word = pick(['lamp', 'chair', 'desk', 'shelf']);
    const res = http.get(`${BASE_URL}/api/search?q=${word}`, { tags: { name: 'search' } });
    check(res, { 'search answers': (r) => r.status === 200 });
  });
  sleep(0.2 + Math.random() * 0.3);
  group('product', () => openProduct(data));
  sleep(0.3);
}

export function buy(data) {
  const start = Date.now();
  const id = group('product', () => openProduct(data));
  group('checkout', () => {
    const cart = http.post(`${BASE_URL}/api/cart`, JSON.stringify({ product: id, count: 1 }), {
      headers: { 'Content-Type': 'application/json' },
      tags: { name: 'cart' },
    });
    check(cart, { 'cart takes it': (r) => r.status === 201 });
    sleep(0.1);
    const order = http.post(`${BASE_URL}/api/orders`, { cart: String(cart.json('id')) }, {
      tags: { name: 'order' },
    });
    const ok = check(order, { 'order is paid': (r) => r.status === 201 && r.json('state') === 'paid' });
    paid.add(ok);
    if (ok) orders.add(1);
  });
  checkoutTime.add(Date.now() - start);
  sleep(0.5);
}

export function teardown(data) {
  console.log(`the shop had ${data.products.length} products`);
}
