// Checks in a page: one line for each, which scripts/browser-test reads in the page as it is at the end.
const query = new URLSearchParams(location.hash.slice(1));
const [auth, resource] = [query.get('auth'), query.get('resource')];

function say(line) {
  document.querySelector('pre').append(`${line}\n`);
}

function check(name, actual, expected) {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  say(is === should ? `ok ${name}` : `FAIL ${name}: ${is}, not ${should}`);
}

// What a script may learn of a request: its answer, or that there is none for it.
async function ask(url, method = 'GET', { body, headers = {}, ...options } = {}) {
  const json = typeof body === 'object' ? { 'Content-Type': 'application/json' } : {};
  const sent = typeof body === 'object' ? JSON.stringify(body) : body;
  try {
    return await fetch(url, { method, credentials: 'include', body: sent, headers: { ...json, ...headers }, ...options });
  } catch {
    return { status: 'unreadable' };
  }
}

async function status(...request) {
  return (await ask(...request)).status;
}
