// Starts the GitHub stand-in of `emulate` on a free port with the seed given as JSON in the first argument. Says its
// address in one line, and ends when its standard input does: also when the tests were killed.
import { createEmulator } from "emulate";

const github = await createEmulator({ service: "github", port: 0, seed: JSON.parse(process.argv[1]) });
console.log(github.url);
process.stdin.resume();
process.stdin.on("end", () => github.close().finally(() => process.exit(0)));
