"use strict";
// Filters what the page shows. The page is complete without it; nothing of the recording is ever taken for code.
(() => {
  const form = document.querySelector("form");
  const count = document.querySelector("#count");
  const cases = [...document.querySelectorAll("article")].map((article) => ({
    article,
    lane: document.querySelector(`.lane[data-case="${article.id}"]`),
    text: article.textContent.toLowerCase(),
  }));

  const wanted = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kind = form.elements.kind.value;
    const verdicts = [...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value);
    const open = form.elements.open.checked;
    return ({ article, text }) =>
      (!kind || article.dataset.kind === kind) &&
      (!verdicts.length || verdicts.includes(article.dataset.verdict)) &&
      (!open || article.dataset.open === "yes") &&
      words.every((word) => text.includes(word));
  };

  const show = () => {
    const is_wanted = wanted();
    let shown = 0;
    for (const each of cases) {
      const hidden = !is_wanted(each);
      each.article.hidden = hidden;
      if (each.lane) each.lane.hidden = hidden;
      shown += !hidden;
    }
    count.textContent = shown === cases.length ? `${shown} findings` : `${shown} of ${cases.length} findings`;
  };

  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
