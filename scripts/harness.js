// What `npm run bench` and `npm run chaos` run: a harness in TypeScript that drives the built program.
import { buildIfStale } from './build.js'
import { requireInstalled } from './installed.js'
import { loadSource } from './load.js'

requireInstalled()
const [path, ...args] = process.argv.slice(2)
if (!args.includes('--help')) await buildIfStale()
await loadSource(path, args)
