// What `npm run audit`, `npm run migrate` and the like run: a command of `src/commands`, compiled or from source.
import { requireInstalled } from './installed.js'
import { loadCompiled } from './load.js'

requireInstalled()
const [name, ...args] = process.argv.slice(2)
await loadCompiled(`commands/${name}`, args)
