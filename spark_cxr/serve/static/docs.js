// The OpenAPI document as a page: no script of anybody else's is loaded.

import { element, factsOf } from "./answer.js";

function described(path, method, route) {
  const bodies = Object.keys(route.requestBody?.content ?? {}).join(", ");
  const queries = (route.parameters ?? []).map((each) => `${each.name} (${each.in}) ${each.description ?? ""}`.trim());
  const answers = Object.entries(route.responses).map(([status, each]) => `${status} ${each.description}`);
  return element("div", {},
    element("h3", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
    element("p", {}, route.summary),
    element("dl", {}, ...factsOf([
      ["Body", bodies], ["Parameters", queries.join("; ")], ["Answers", answers.join("; ")],
    ])),
    element("pre", { tabindex: "0", "aria-label": `Example of ${method} ${path}` }, route["x-example"].replace("SERVER", location.origin)));
}

function sections(document_) {
  const byTag = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      const [tag] = route.tags;
      byTag.set(tag, [...(byTag.get(tag) ?? []), described(path, method, route)]);
    }
  }
  return [...byTag].map(([tag, routes]) => element("section", {}, element("h2", {}, tag), ...routes));
}

const answer = await fetch("/openapi.json");
const routes = answer.ok ? sections(await answer.json()) : [element("p", {}, "The routes could not be read.")];
document.getElementById("routes").replaceChildren(...routes);
