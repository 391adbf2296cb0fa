// Uploading a file to a package: sent as it is, with how far it is. What the server answers is HTML that it has escaped.
"use strict";

(() => {
  const form = document.getElementById("put");
  if (!form) return;
  const [path, file, bar, told] = ["path", "file", "progress", "told"].map((name) => document.getElementById(`put-${name}`));
  const button = form.querySelector("button");

  const say = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    told.replaceChildren(template.content);
  };
  const sayPlainly = (text) => {
    const line = document.createElement("p");
    line.textContent = text;
    told.replaceChildren(line);
  };
  const ended = () => { bar.hidden = true; button.disabled = false; };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = file.files[0];
    if (!chosen) return;
    const where = path.value.trim().replace(/\/+$/, "");
    const whole = where.split("/").length === 4 ? `${where}/${chosen.name}` : where;
    const request = new XMLHttpRequest();
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    request.open("POST", `${form.dataset.action}?${new URLSearchParams({ path: whole, key })}`);
    request.setRequestHeader("X-Sluice-Token", document.body.dataset.token);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (sent) => { bar.value = sent.total ? (100 * sent.loaded) / sent.total : 0; });
    request.addEventListener("load", () => {
      ended();
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* it is no answer of ours */ }
      if (!answer) return sayPlainly(request.responseText.slice(0, 200) || `HTTP ${request.status}`);
      if (answer.html.length) return say(answer.html.join(""));
      window.location.assign(`/packages/${whole.split("/").slice(0, 4).join("/")}`);
    });
    request.addEventListener("error", () => { ended(); sayPlainly("The connection broke. Nothing was kept; upload it again."); });
    told.replaceChildren();
    bar.value = 0;
    bar.hidden = false;
    button.disabled = true;
    request.send(chosen);
  });
})();
