/** Runs seeds inside the network of a bed, and prints a line of JSON for each. Started by `main.ts`. */
import { Bed } from "../../../testbed/bed.ts";
import { Member } from "./member.ts";
import { runSeed } from "./run-seed.ts";

const [id = "", from = "1", count = "1"] = process.argv.slice(2);
const bed = new Bed(id);
const members = [0, 1, 2].map((index) => new Member(bed, index));
for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
  process.stdout.write(`${JSON.stringify(await runSeed(bed, members, seed))}\n`);
}
process.exit(0);
