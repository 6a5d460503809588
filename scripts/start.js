// What `npm start` runs: builds when the sources are newer than the build, then becomes the program.
import { buildIfStale } from './build.js'
import { requireInstalled } from './installed.js'
import { loadCompiled } from './load.js'

requireInstalled()
const args = process.argv.slice(2)
// Any argument is `--help` or wrong usage: neither starts the program, so neither needs a build.
if (args.length === 0) await buildIfStale()
await loadCompiled('main', args)
