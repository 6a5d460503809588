import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { requireNsqd } from '../../scripts/nsqd-process.ts'
import { Sqlite } from '../../src/db/sqlite/driver.ts'

const nsqd = await requireNsqd()
const program = join(import.meta.dirname, 'main.ts')
/** A run may take this long beside other suites; alone it takes half a minute. */
const runMs = 170_000

interface Chaos {
  readonly child: ChildProcess
  /** Resolves with the first match of the pattern in the output. */
  untilSaid(pattern: RegExp): Promise<string>
  /** Resolves at the end with the exit code and the whole output. */
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>
}

/** Starts `npm run chaos` without the build. */
function chaos(...flags: readonly string[]): Chaos {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...flags], {
    cwd: join(import.meta.dirname, '..', '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runMs,
  })
  let said = ''
  const note = (chunk: Buffer): void => void (said += chunk.toString())
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  return {
    child,
    untilSaid: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(said)?.[1]
          if (found !== undefined) resolve(found)
        }
        look()
        child.stdout.on('data', look)
        child.once('close', () => {
          reject(new Error(`${pattern.source} was never said:\n${said}`))
        })
      }),
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, said })),
  }
}

/** The tests run at the same time, because they wait most of it. */
describe.skipIf(nsqd === undefined)('chaos', { timeout: runMs + 5_000 }, () => {
  it.concurrent('for twenty seconds under load violates nothing', async () => {
    const { code, said } = await chaos('--seconds', '20', '--bots', '30', '--seed', '7').ended
    expect(said).toMatch(/^seed 7 \(repeat with --seed 7 --seconds 20 --bots 30\)\n/)
    expect(said.match(/ s {2}.* for \d+\.\d s\n/g)?.length).toBeGreaterThan(5)
    expect(said).toMatch(/holds +B5 +every bot told paid has a paid invoice/)
    expect(said).toMatch(/holds +books +our books and the provider’s agree/)
    expect(said.match(/holds +(crash|stop) /g)).toHaveLength(8)
    expect([code, said]).toEqual([0, expect.stringMatching(/VERDICT: all \d+ hold\n$/)])
  })

  it.concurrent(
    'finds one unit and one payment that somebody wrote into the database',
    async () => {
      const run = chaos('--seconds', '6', '--bots', '10', '--seed', '8')
      const path = await run.untilSaid(/the database is (\S+)\n/)
      await run.untilSaid(/(every bot is done; waiting)/)
      plant(path)
      const { code, said } = await run.ended
      expect(said).toMatch(/VIOLATED +audit I4 +the counters are the sums of the ledger/)
      expect(said).toMatch(/VIOLATED +books +our books and the provider’s agree/)
      expect([code, said]).toEqual([
        1,
        expect.stringMatching(/VERDICT: \d+ of \d+ VIOLATED, seed 8/),
      ])
    },
  )

  it.concurrent('finds a process that died by itself and was there again', async () => {
    const run = chaos('--seconds', '6', '--bots', '10', '--seed', '1')
    await run.untilSaid(/(the storm begins)/)
    await abort('api 2', run.child)
    const { code, said } = await run.ended
    expect(said).toMatch(
      /VIOLATED +crash +api 2 never ends by itself: 1 times not\n +ended by SIGABRT/,
    )
    expect([code, said]).toEqual([1, expect.stringMatching(/VERDICT: 1 of \d+ VIOLATED, seed 1/)])
  })

  it.concurrent('that is interrupted in the middle leaves nothing behind', async () => {
    const run = chaos('--seconds', '20', '--bots', '10', '--seed', '9')
    const path = await run.untilSaid(/the database is (\S+)\n/)
    await run.untilSaid(/(sale 1 opens)/)
    run.child.kill('SIGINT')
    const { code } = await run.ended
    expect(code).toBe(130)
    expect(existsSync(dirname(path))).toBe(false)
  })

  it.concurrent('that cannot be understood says how it is used', async () => {
    const { code, said } = await chaos('--minutes', 'five').ended
    expect(said).toMatch(/--minutes: expected a whole number .* got 'five'\n\nUsage: npm run chaos/)
    expect(code).toBe(2)
  })
})

const programs = ['worker', 'api 1', 'api 2'] as const

/** Aborts the process, as a fault in native code would. */
async function abort(name: (typeof programs)[number], { pid }: ChildProcess): Promise<void> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,args=', '--ppid', String(pid)])
  const started = stdout.split('\n').filter((line) => line.endsWith('dist/main.js'))
  process.kill(Number.parseInt(started[programs.indexOf(name)] ?? '', 10), 'SIGABRT')
}

/**
 * Writes one sold unit and one payment into the database; the sum of the stock (I2) stays right.
 */
function plant(path: string): void {
  const database = new Sqlite(path, { timeout: 5_000 })
  try {
    database.exec(`
      update stock set allotment = allotment + 1, available = available + 1
        where product_id = (select min(product_id) from stock);
      update payments set amount_minor = amount_minor + 1
        where id = (select min(id) from payments where status = 'captured')`)
  } finally {
    database.close()
  }
}
