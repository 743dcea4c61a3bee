// What is large and can be had again is kept for a while; two files share this one function.

// Keep what was made for a film, and forget the oldest where there is too much of it.
export function remember(table, most, key, make) {
  const found = table.get(key) ?? make();
  table.delete(key);
  table.set(key, found);
  if (table.size > most) table.delete(table.keys().next().value);
  return found;
}
