// What of the calendar is shown.

class Filters {
  constructor(data, changed) {
    this.changed = changed;
    const distinct = (of) => [...new Set(data.places.map(of))].sort().map((value) => [value, value]);
    this.search = element("input", { type: "search", id: "search", placeholder: "Name or id", autocomplete: "off", spellcheck: "false", oninput: () => this.typed() });
    this.policy = this.choice("All policies", data.policies.map((policy, index) => [String(index), policy.name]));
    this.account = this.choice("All accounts", distinct((place) => place.account));
    this.region = this.choice("All Regions", distinct((place) => place.region));
    this.verdict = this.choice("Any verdict", [["uncovered", "uncovered"], ...ORDER.map((letter) => [letter, VERDICTS[letter].word])]);
    this.count = element("p", { role: "status", class: "count" });
    addEventListener("keydown", (event) => this.slash(event));
  }

  choice(all, values) {
    const options = [["", all], ...values].map(([value, text]) => element("option", { value }, text));
    return element("select", { onchange: () => this.changed() }, options);
  }

  elements({ open, close }) {
    const labelled = (label, field) => element("label", {}, element("span", {}, label), field);
    const button = (text, onclick) => element("button", { type: "button", onclick }, text);
    return [
      element("form", { class: "filters", role: "search", "aria-label": "Filter the calendar", onsubmit: (event) => event.preventDefault() },
        labelled("Search", this.search), labelled("Verdict today", this.verdict), labelled("Policy", this.policy),
        labelled("Account", this.account), labelled("Region", this.region),
        element("span", { class: "buttons" }, button("Open all", open), button("Close all", close), button("Clear", () => this.clear()))),
      this.count,
    ];
  }

  value() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    return { words, policy: this.policy.value, account: this.account.value, region: this.region.value, verdict: this.verdict.value };
  }

  typed() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.changed(), 120);
  }

  clear() {
    for (const field of [this.search, this.policy, this.account, this.region, this.verdict]) field.value = "";
    this.changed();
  }

  say(shown, all) {
    this.count.textContent = shown === all ? counted(all, "volume") : `${number(shown)} of ${counted(all, "volume")}`;
  }

  slash(event) {
    const isTyping = event.target.closest?.("input, select, textarea");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.search.focus();
  }
}
