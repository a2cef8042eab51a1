// The server sends HTML by id; this puts it in place, keeps the focus, and says
// how old the page is. Without it the page is whole, and reloads itself.
const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const clock = $('clock');
const box = document.createElement('template');
let got = Date.now(), at = +clock.dataset.at, wait = 1000, source;

function put(html) {
  box.innerHTML = html;
  for (let el of [...box.content.children]) {
    if (el.tagName === 'svg') el = el.firstElementChild;
    const old = $(el.id);
    if (!old || old.isEqualNode(el)) continue;
    const focus = old.contains(document.activeElement) && document.activeElement.id;
    for (const d of old.querySelectorAll('details[open]')) (d.id ? [...el.querySelectorAll('details')].find((e) => e.id === d.id) : el.querySelector('details'))?.setAttribute('open', '');
    old.replaceWith(el);
    if (focus) $(focus)?.focus({ preventScroll: true });
  }
}

function state(name, text, value) {
  root.dataset.link = name;
  const b = document.createElement('b');
  b.textContent = value;
  $('link-state').replaceChildren(text + ' ', b);
}

const two = (n) => String(n).padStart(2, '0');
const shown = new Intl.DateTimeFormat('en-GB', { timeZone: clock.dataset.zone, hour: '2-digit', minute: '2-digit', second: '2-digit' });

function tick() {
  const age = Date.now() - got, now = at + age * clock.dataset.factor;
  clock.textContent = shown.format(now);
  for (const e of document.querySelectorAll('[data-t]')) {
    const s = Math.max(0, (now - e.dataset.t) / 1000 | 0);
    if (s < 3600) e.textContent = two(s / 60 | 0) + ':' + two(s % 60);
  }
  if (source?.readyState === 1) age > 15000 ? state('stale', $('link').dataset.stale, (age / 1000 | 0) + ' s') : state('live', $('link').dataset.live, (age / 1000).toFixed(1) + ' s');
}

function open() {
  source = new EventSource(document.body.dataset.stream);
  const on = (name, f) => source.addEventListener(name, (e) => { got = Date.now(); f(e.data); });
  on('at', (d) => { at = +d; wait = 1000; });
  on('patch', put);
  on('say', (d) => { $('say').textContent = d; });
  source.onerror = () => {
    state('offline', $('link').dataset.offline, shown.format(at + (Date.now() - got) * clock.dataset.factor));
    source.close();
    setTimeout(open, wait = Math.min(wait * 2, 30000));
  };
}

setInterval(tick, 1000);
open();
