// What `npm run dev` runs: the program from its sources, started again on every change.
import { spawn } from 'node:child_process'
import { requireInstalled, root } from './installed.js'
import { loadCompiled } from './load.js'

requireInstalled()
const args = process.argv.slice(2)
if (args.length > 0) await loadCompiled('main', args)
else watch()

function watch() {
  const watcher = [`${root}node_modules/tsx/dist/cli.mjs`, 'watch', `${root}src/main.ts`]
  const child = spawn(process.execPath, watcher, { stdio: 'inherit' })
  // The terminal sends Ctrl-C to both; the program ends in order and this process after it.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.once('exit', (code) => process.exit(code ?? 1))
}
