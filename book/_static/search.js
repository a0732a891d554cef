/* The search of this book. Sphinx wants every word of a query on a page, which a question never has, and ranks whole pages
   by whether a word occurs. Here a page is as good as the rarity of the words it has, headings count more than text,
   and the result leads to the heading, or the entry of the reference, that has most of the question. */
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  /* Quotations are read from the pages, which a browser refuses to a page that is itself a file. */
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  const ASKING = new Set(("a an and are as at be by can do does for from get have how i if in into is it its me my of on one or our " +
    "should so that the their there they this to too was we what when where which who why will with without you your").split(" "));
  /* Words that readers use for one another. */
  const ALIKE = [["user", "account"], ["cert", "certificate"], ["login", "authentication"], ["crash", "dies"], ["install", "installing"],
    ["conf", "config", "configuration"], ["spam", "relaying"], ["tls", "ssl", "starttls"], ["build", "compile", "building"]];
  const BODY = 1, HEADING = 2.5, TITLE = 4, ENTRY = 7;
  const MACHINE = /^\d{5,}$|^[0-9a-f]{8,}$/;
  const stemmer = new Stemmer();
  const stems = (text) => splitQuery(text.toLowerCase()).map((word) => stemmer.stemWord(word));
  const alike = new Map();
  for (const group of ALIKE.map((words) => words.map((word) => stemmer.stemWord(word))))
    for (const stem of group) alike.set(stem, group.filter((other) => other !== stem));
  const list = (files) => (files === undefined ? [] : [].concat(files));

  /* What a word finds: pages with it in their text, with the part of the word that they have. */
  const pagesWith = (index, stem) => {
    const found = new Map(list(index.terms[stem]).concat(list(index.titleterms[stem])).map((page) => [page, 1]));
    for (const other of alike.get(stem) ?? [])
      list(index.terms[other]).forEach((page) => { if (!found.has(page)) found.set(page, 0.7); });
    if (found.size || stem.length < 4) return found;
    for (const terms of [index.terms, index.titleterms])
      for (const term in terms)
        if (term.includes(stem) && !MACHINE.test(term)) list(terms[term]).forEach((page) => found.set(page, 0.6));
    return found;
  };

  const entriesOf = (index) => Object.entries(index.objects).flatMap(([prefix, objects]) => objects.map(
    ([page, , , anchor, name]) => ({ page, anchor, name: (prefix ? prefix + "." : "") + name })));

  Search._parseQuery = (query) => {
    const words = splitQuery(query.toLowerCase().trim());
    const asked = words.filter((word) => !ASKING.has(word));
    const kept = asked.length ? asked : words;
    return [query, new Set(kept.map((word) => stemmer.stemWord(word))), new Set(), new Set(kept), new Set()];
  };

  Search._performSearch = (query, wanted) => {
    const index = Search._index, count = index.docnames.length;
    document.getElementById("search-progress")?.replaceChildren();
    const words = [...wanted].map((stem) => ({ stem, pages: pagesWith(index, stem) }));
    words.forEach((word) => (word.worth = Math.log(1 + count / Math.max(word.pages.size, 0.5))));
    const whole = words.reduce((sum, word) => sum + word.worth, 0) || 1;
    const worthOf = (text) => {
      const own = new Set(stems(text).flatMap((stem) => [stem, ...(alike.get(stem) ?? [])]));
      const hit = words.filter((word) => own.has(word.stem)).reduce((sum, word) => sum + word.worth, 0);
      return { hit, share: hit / whole, density: own.size ? [...own].filter((s) => wanted.has(s)).length / stems(text).length : 0 };
    };

    const headings = new Map();
    for (const [title, places] of Object.entries(index.alltitles)) {
      const { hit, share, density } = worthOf(title);
      if (hit) places.forEach(([page, anchor]) => {
        const score = hit * HEADING * (0.5 + share) * (0.5 + density);
        if (score > (headings.get(page)?.score ?? 0)) headings.set(page, { score, title, anchor, share });
      });
    }

    const results = [];
    for (let page = 0; page < count; page++) {
      const has = words.reduce((sum, word) => sum + word.worth * (word.pages.get(page) ?? 0), 0);
      const heading = headings.get(page), title = worthOf(index.titles[page]);
      if (!has && !heading) continue;
      const share = has / whole;
      const score = has * BODY * share + (heading?.score ?? 0) + title.hit * TITLE * (0.3 + title.share) * (0.5 + title.density);
      const there = heading && heading.anchor !== null && heading.share >= 0.4;
      results.push([index.docnames[page], there ? `${index.titles[page]} › ${heading.title}` : index.titles[page],
        there ? "#" + heading.anchor : "", null, score, index.filenames[page]]);
    }
    for (const { page, anchor, name } of entriesOf(index)) {
      const own = stems(name), { hit, share } = worthOf(name);
      if (own.every((stem) => wanted.has(stem)) && share >= 0.4)
        results.push([index.docnames[page], `${index.titles[page]} › ${name}`, "#" + anchor, null, hit * ENTRY * share, index.filenames[page]]);
    }
    const best = Math.max(...results.map((result) => result[4]), 0);
    return results.filter((result) => result[4] > best / 12).sort((a, b) => a[4] - b[4]);
  };

  /* Results quote the article, not the buttons above it; and not what can only be looked at. */
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".headerlink, .picture, .mail-path-frame, .chapter-head, script, style").forEach((part) => part.remove());
    const article = page.querySelector("article");
    const place = anchor ? article.querySelector(`[id="${CSS.escape(anchor.slice(1))}"]`) : null;
    return (place?.closest("tr, section, dl") ?? article).textContent.replace(/\s+/g, " ");
  };
});
