// Two clicks on the map write a line into the form below it, and send it. Without
// this the line is typed.
const map = document.getElementById('pick'), field = document.getElementById('line'), says = document.getElementById('pick-says');

map?.addEventListener('click', (e) => {
  if (e.target.closest('a')) return;
  const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(map.getScreenCTM().inverse());
  const { lon, lat, perLon, perLat } = map.dataset;
  const at = (+lon + p.x * perLon).toFixed(6) + ',' + (+lat - p.y * perLat).toFixed(6);
  const first = map.querySelector('.spot');
  field.value = first ? field.value.split(' ')[0] + ' ' + at : at;
  if (first) return field.form.requestSubmit();
  const dot = document.createElementNS(map.namespaceURI, 'circle');
  for (const [name, value] of [['class', 'spot'], ['cx', p.x], ['cy', p.y], ['r', 7]]) dot.setAttribute(name, value);
  map.append(dot);
  says.textContent = says.dataset.says;
});
