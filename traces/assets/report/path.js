// The critical path: who holds how much of it, its steps, and by how much others could have been later.

function showPath(timeline) {
  const path = report.explanation.critical_path;
  const body = bodyOf("path");
  if (path === null) {
    body.append(element("div", { class: "card" }, element("p", { class: "missing" }, `Who ended each wait was not recorded, so that the critical path is not known; ${toRecord()}.`)));
    return;
  }
  const place = element("div");
  const kinds = ["unit", "layer", "family", "state"];
  const choose = tabs([...kinds.map((kind) => `by ${kind}`), "slack of others"],
    (index) => place.replaceChildren(index < kinds.length ? pathShares(path, kinds[index]) : slackTable(path)));
  body.append(
    element("p", { class: "note" }, "The chain of activities, each of which had to end for the next to begin, from the first cycle to the last: ",
      shown("/explanation/critical_path/steps", grouped), " steps that take ", shown("/explanation/critical_path/cycles", cyclesText), " cycles."),
    element("div", { class: "two" },
      element("div", { class: "card" }, element("div", { class: "tools" }, choose.bar, element("span", { class: "gap" }),
        timeline && timeline.path ? element("button", { onclick: () => { timeline.showPath(true); timeline.look(0, timeline.data.makespan); location.hash = "timeline"; } }, "show in the timeline") : null), place),
      element("div", { class: "card" }, element("h3", {}, "Its steps"), pathSteps(path, timeline))));
  choose.select(0);
}

function pathShares(path, kind) {
  const rows = path.shares.map((item, n) => ({ item, n })).filter(({ item }) => item.by === kind);
  return sortableTable([
    { title: kind, cell: ({ item }) => pathText(item.name), value: ({ item }) => item.name },
    { title: "cycles", number: true, cell: ({ n }) => shown(`/explanation/critical_path/shares/${n}/cycles`, cyclesText), value: ({ item }) => item.cycles },
    { title: "share", wide: true, cell: ({ n }) => shareBar(`/explanation/critical_path/shares/${n}/share`), value: ({ item }) => item.share },
  ], rows, { filter: ({ item }) => item.name });
}

function pathSteps(path, timeline) {
  const repeats = path.path.some((step) => (step.times ?? 1) > 1);
  const at = (n, key) => shown(`/explanation/critical_path/path/${n}/${key}`, cyclesText);
  return sortableTable([
    { title: "unit", cell: ({ item }) => pathText(item.unit), value: ({ item }) => item.unit },
    { title: "state", cell: ({ item }) => item.state, value: ({ item }) => item.state },
    { title: "start", number: true, cell: ({ n }) => at(n, "start"), value: ({ item }) => item.start },
    { title: "cycles", number: true, cell: ({ n }) => at(n, "cycles"), value: ({ item }) => item.cycles },
    ...(repeats ? [{ title: "times", number: true, cell: ({ item }) => grouped(item.times), value: ({ item }) => item.times }] : []),
  ], path.path.map((item, n) => ({ item, n })), {
    filter: ({ item }) => `${item.unit} ${item.state}`,
    pick: timeline ? ({ item }) => timeline.goTo(item.unit, item.start * timeline.data.ticks_per_cycle, item.cycles * timeline.data.ticks_per_cycle) : undefined,
  });
}

function slackTable(path) {
  return sortableTable([
    { title: "unit", cell: ({ item }) => pathText(item.path), value: ({ item }) => item.path },
    { title: "could be later by [cycles]", number: true, cell: ({ n }) => shown(`/explanation/critical_path/slack/${n}/cycles`, cyclesText), value: ({ item }) => item.cycles },
  ], path.slack.map((item, n) => ({ item, n })), { filter: ({ item }) => item.path });
}
