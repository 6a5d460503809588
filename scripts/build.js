// Compiles `src` to `dist` when the sources are newer, and says what it does meanwhile.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { isInstalled, root } from './installed.js'

const built = `${root}dist/main.js`
const builtAt = `${root}dist/.tsbuildinfo`
const saidEveryMs = 5_000

/** Whether `dist` is missing or older than a source; without sources, as in the image, it never is. */
export function isStale() {
  if (!existsSync(`${root}src`)) return false
  if (!existsSync(built) || !existsSync(builtAt)) return true
  return newestSource() > statSync(builtAt).mtimeMs
}

function newestSource() {
  const names = readdirSync(`${root}src`, { recursive: true }).filter(isBuilt)
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json']
  const files = [...names.map((name) => `src/${name}`), ...settings]
  return Math.max(...files.map((name) => statSync(`${root}${name}`).mtimeMs))
}

function isBuilt(name) {
  return name.endsWith('.ts') && !/\.(test|contract)\.ts$/.test(name)
}

/** Resolves when `dist` is as new as `src`; ends the process when the sources do not compile. */
export async function buildIfStale() {
  if (!isStale()) return
  if (!isInstalled('typescript')) {
    process.stderr.write(
      'dist is missing or older than src, and the compiler is not installed: run npm ci without --omit=dev, then this again.\n',
    )
    process.exit(1)
  }
  // The compiler trusts its notes and would not write an output again that went missing.
  if (!existsSync(built)) rmSync(builtAt, { force: true })
  const startedAt = performance.now()
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`
  const what = existsSync(built) ? 'the changed sources' : 'the sources, which is needed once'
  process.stdout.write(`Compiling ${what} (src to dist, some 10 to 30 s) …\n`)
  const saying = setInterval(
    () => process.stdout.write(`  still compiling, ${seconds()}\n`),
    saidEveryMs,
  )
  const code = await compile()
  clearInterval(saying)
  if (code !== 0) {
    process.stderr.write(`The sources do not compile; the lines above say where.\n`)
    process.exit(1)
  }
  // The compiler leaves its notes alone when no output has changed.
  utimesSync(builtAt, new Date(), new Date())
  process.stdout.write(`Compiled in ${seconds()}.\n`)
}

function compile() {
  const compiler = `${root}node_modules/typescript/bin/tsc`
  const child = spawn(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
