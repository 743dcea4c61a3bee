// What is dropped on the page, or pasted.

// Folders are walked through; their files go by their names in them.
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      found.push(await new Promise((done, refused) => entry.file(done, refused)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, refused) => reader.readEntries(done, refused));
      if (!some.length) return;
      for (const each of some) await walk(each);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}
