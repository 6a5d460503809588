// What `npm start` runs: builds when the sources are newer than the build, then becomes the program.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const built = `${root}dist/main.js`
const builtAt = `${root}dist/.tsbuildinfo`

function newestSource() {
  const names = readdirSync(`${root}src`, { recursive: true }).filter(isBuilt)
  return Math.max(...names.map((name) => statSync(`${root}src/${name}`).mtimeMs))
}

function isBuilt(name) {
  return name.endsWith('.ts') && !/\.(test|contract)\.ts$/.test(name)
}

function isStale() {
  if (!existsSync(built) || !existsSync(builtAt)) return true
  return newestSource() > statSync(builtAt).mtimeMs
}

if (isStale()) {
  console.log('Building …')
  // An incremental build trusts its notes and would not make an output that went missing.
  if (!existsSync(built)) rmSync(builtAt, { force: true })
  const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  if (build.status !== 0) process.exit(build.status ?? 1)
  // The compiler leaves its notes alone when nothing came out differently.
  utimesSync(builtAt, new Date(), new Date())
}

await import('../dist/main.js')
