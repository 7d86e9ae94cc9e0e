// What a sequence diagram does not show, in words.

function remarks({ stretch, sight, arrows, sampling, rest, gone, unmarked }) {
  const said = [stretch.scale === "time" ? `true time: ${seconds(stretch.seconds)} from top to bottom` : "in order: even distances, not even times"];
  if (stretch.lost) said.push("the kernel is gone: this picture is the last");
  else if (stretch.past) said.push(`as it stood ${stretch.at.toFixed(1)} s after the start`);
  if (!stretch.following && sight.newer) said.push(`held: ${count(sight.newer)} newer ${sight.newer === 1 ? "hop" : "hops"}`);
  if (sampling > 1) said.push(`a sample: about 1 message in ${count(sampling)} is traced`);
  if (sight.count < sight.of) said.push(`${count(sight.count)} of ${count(sight.of)} arrows drawn: the others begin on the same pixels`);
  const { merged = 0, left = 0 } = sight.labels ?? {};
  if (merged + left) said.push(`${count(merged + left)} ${merged + left === 1 ? "label has" : "labels have"} no room${merged ? `: “+n” counts ${left ? count(merged) + " of " : ""}them` : ""}`);
  if (rest) said.push(`${count(rest)} hops still to come`);
  const before = gone + arrows.dropped;
  if (before) said.push(`${count(before)} hops of before ${stretch.first.toFixed(1)} s are no longer remembered`);
  const between = arrows.gaps.reduce((sum, { missing }) => sum + missing, 0);
  if (between) said.push(`${count(between)} hops passed too fast to be shown`);
  if (unmarked) said.push(`${count(unmarked)} older events are not marked`);
  if (!arrows.count) said.push("no message has been traced yet");
  return said;
}
