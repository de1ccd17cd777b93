// The calendar's rows as values: policy → account and Region → names alike → volumes. No DOM here.

/** A place with more volumes than this has them grouped by their names. */
const MOST_UNGROUPED = 40;

/** `web-017` and `web-018` are alike. */
function stem(volume) {
  return volume.name === "" ? "without a name" : volume.name.replace(/[-_. ]?\d+$/, "") || volume.name;
}

function tree(data) {
  const collator = new Intl.Collator("en", { numeric: true });
  const byName = (one, other) => collator.compare(one.name || "\uffff", other.name || "\uffff") || collator.compare(one.id, other.id);
  return data.policies.map((policy, index) => {
    const groups = data.groups.filter((group) => group.policy === index);
    const children = groups.map((group) => {
      const place = data.places[group.place];
      const parents = { policy, policyIndex: index, place };
      const volumes = group.volumes.toSorted(byName).map((volume) => leaf(volume, parents));
      const grouped = volumes.length > MOST_UNGROUPED ? alike(volumes) : volumes;
      return { ...node(place.region, 2, grouped, volumes.length === 0 ? place.error : null), account: place.account };
    });
    children.sort((one, other) => collator.compare(one.label, other.label) || collator.compare(one.account, other.account));
    return node(policy.name, 1, children);
  });
}

function leaf(volume, parents) {
  const text = `${volume.name}\n${volume.id}\n${volume.instance}`.toLowerCase();
  return { volume, ...parents, text, today: volume.days.at(-1) };
}

function node(label, level, children, error = null) {
  return { label, level, children, error, isOpen: false };
}

/** Names that nothing else is like stay beside the groups. */
function alike(volumes) {
  const stems = new Map();
  for (const leaf of volumes) {
    const key = stem(leaf.volume);
    if (!stems.has(key)) stems.set(key, []);
    stems.get(key).push(leaf);
  }
  return [...stems].flatMap(([label, members]) => (members.length < 3 ? members : [node(`${label} …`, 3, members)]));
}

function matches(filter, leaf) {
  return (filter.policy === "" || String(leaf.policyIndex) === filter.policy)
    && (filter.account === "" || leaf.place.account === filter.account)
    && (filter.region === "" || leaf.place.region === filter.region)
    && (filter.verdict === "" || (filter.verdict === "uncovered" ? isUncovered(leaf.today) : leaf.today === filter.verdict))
    && filter.words.every((word) => leaf.text.includes(word));
}

/** What of the tree a filter leaves: each node with its leaves and how many are uncovered on each day. */
function narrowed(nodes, filter, days) {
  return nodes.flatMap((one) => {
    if (one.volume) return matches(filter, one) ? [{ of: one, leaves: 1 }] : [];
    const children = narrowed(one.children, filter, days);
    const leaves = children.reduce((sum, child) => sum + child.leaves, 0);
    // A place that could not be read has no volumes to show, and must be seen all the same.
    const isSeen = leaves > 0 || (one.error && isPlain(filter));
    return isSeen ? [{ of: one, leaves, children, sums: sums(children, days) }] : [];
  });
}

function isPlain(filter) {
  return filter.verdict === "" && filter.words.length === 0 && filter.policy === "" && filter.account === "" && filter.region === "";
}

/** For each day how many leaves are covered, uncovered, and neither. */
function sums(children, days) {
  const total = Array.from({ length: days }, () => ({ covered: 0, uncovered: 0, neither: 0 }));
  for (const { of, sums } of children) {
    for (let day = 0; day < days; day += 1) {
      if (sums) for (const key of Object.keys(total[day])) total[day][key] += sums[day][key];
      else total[day][kind(of.volume.days[day])] += 1;
    }
  }
  return total;
}

function kind(letter) {
  if (isCovered(letter)) return "covered";
  return isUncovered(letter) ? "uncovered" : "neither";
}

/** The rows that are in sight: every node whose parents are open. */
function rows(narrow, level = 1, parent = null, found = []) {
  narrow.forEach((one, index) => {
    const row = { ...one, level, parent, position: index + 1, siblings: narrow.length, index: found.length };
    found.push(row);
    if (one.children && one.of.isOpen) rows(one.children, level + 1, row, found);
  });
  return found;
}

function setOpen(nodes, isOpen, deepest = Infinity) {
  for (const one of nodes) {
    if (!one.children) continue;
    one.isOpen = isOpen && one.level <= deepest;
    setOpen(one.children, isOpen, deepest);
  }
}
