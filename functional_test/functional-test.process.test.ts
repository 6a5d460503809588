import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { requireNsqd } from '../scripts/nsqd-process.ts'
import type { Summary } from './summary.ts'
import { startStubShop, type StubShop } from './testing/stub-shop.ts'

const nsqd = await requireNsqd()

const program = join(import.meta.dirname, 'main.ts')
const runTimeoutMs = 80_000

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(...flags: readonly string[]) {
  return spawn(process.execPath, ['--import', 'tsx', program, ...flags], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runTimeoutMs,
    env: { ...process.env, ADMIN_TOKEN: '' },
  })
}

async function functionalTest(...flags: readonly string[]): Promise<Outcome> {
  const child = start(...flags)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** Resolves with the first match of the pattern in the child's output. */
function untilSaid(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const found = pattern.exec(said)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('close', () => {
      reject(new Error(`${pattern.source} was never said:\n${said}`))
    })
  })
}

let shop: StubShop | undefined
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-report-'))
})

afterEach(async () => {
  await shop?.close()
  shop = undefined
  await rm(folder, { recursive: true })
})

const reportIn = async (name: string): Promise<string> => readFile(join(folder, name), 'utf8')

async function raceAtStub(
  honesty: 'honest' | 'oversells',
  ...flags: readonly string[]
): Promise<Outcome> {
  shop = await startStubShop({ stock: 10, holdMs: 2_000, honesty })
  return functionalTest(
    `-flashsale=${shop.flashSaleId}`,
    `-productID=${shop.productId}`,
    '-h',
    shop.origin,
    '--admin-token',
    shop.adminToken,
    '--bots',
    '60',
    '--seed',
    '5',
    '--timeout',
    '60',
    ...flags,
  )
}

test('the program sells out to a hundred bots and every invariant holds', async () => {
  const { code, stdout } = await functionalTest(
    '--bots',
    '100',
    '--stock',
    '20',
    '--hold-seconds',
    '3',
    '--seed',
    '1',
    '--timeout',
    '60',
  )
  expect(stdout).toContain('seed 1 ')
  expect(stdout).toMatch(/holds +B3 +sold units \(API A\) = units of paid invoices \(API B\)/)
  expect(stdout).toMatch(/holds +audit /)
  expect(stdout).toMatch(
    /holds +stop +the program stops cleanly on SIGTERM +exit code 0, when asked to/,
  )
  expect(stdout).toMatch(/100 first add-to-carts, first to last byte sent within \d+ ms\n/)
  expect(stdout).toMatch(/peak memory +MB\n +bots +\d+\n +program +\d+\n/)
  expect(stdout).toMatch(/VERDICT: all \d+ invariants hold\n$/)
  expect(code).toBe(0)
})

test.skipIf(nsqd === undefined)(
  'over nsqd, bots are dealt out over two API nodes and every invariant holds',
  async () => {
    const { code, stdout } = await functionalTest(
      '--broker',
      'nsq',
      '--api-nodes',
      '2',
      '--bots',
      '60',
      '--stock',
      '6',
      '--hold-seconds',
      '2',
      '--seed',
      '1',
      '--timeout',
      '60',
    )
    for (const process of ['worker', 'api 1', 'api 2', 'nsqd']) {
      expect(stdout).toMatch(new RegExp(`\\n +${process} +\\d+\\n`))
    }
    expect(stdout.match(/holds +stop .* exit code 0, when asked to/g)).toHaveLength(3)
    expect(stdout).toMatch(/VERDICT: all \d+ invariants hold\n$/)
    expect(code).toBe(0)
  },
)

test('an honest shop elsewhere is believed, and the report says so', async () => {
  const { code, stdout } = await raceAtStub('honest', '--report', folder)
  expect(stdout).toMatch(/VERDICT: all \d+ invariants hold\n/)
  expect(code).toBe(0)
  const { findings, race } = JSON.parse(await reportIn('report.json')) as Summary
  expect(findings.filter(({ violations }) => violations > 0)).toEqual([])
  expect(race.holds).toBeGreaterThan(0)
  expect(race.refusals).toBeGreaterThan(0)
  const page = await reportIn('report.html')
  expect(page).toContain('60 shoppers, 10 units')
  expect(page).not.toMatch(/https?:/)
})

test('a shop that oversells is found out, although its stock and audit look innocent', async () => {
  const { code, stdout } = await raceAtStub('oversells', '--report', folder)
  expect(stdout).toMatch(/holds +B1 +available, held and sold are never negative/)
  expect(stdout).toMatch(/holds +audit /)
  expect(stdout).toMatch(/VIOLATED +B4 +paid units \(API B\) are at most the allotment/)
  expect(stdout).toMatch(/VIOLATED +B8 +holds alive at any moment are at most the allotment/)
  expect(stdout).toMatch(/VERDICT: \d+ of \d+ invariants VIOLATED\n/)
  expect(code).toBe(1)
  expect(await reportIn('report.html')).toMatch(/✗ violated[^]*paid units \(API B\) are at most/)
})

test('whoever ends it while bots race ends the program as well', async () => {
  const child = start('--bots', '20', '--stock', '20', '--seed', '1')
  const ended = once(child, 'close')
  const origin = await untilSaid(child, /on (http:\S+?):? .*[^]*the race/)
  child.kill('SIGINT')
  const [code] = (await ended) as [number | null]
  expect(code).toBe(130)
  await expect(fetch(`${origin}/livez`)).rejects.toThrow('fetch failed')
})

test('a host that is not there is said plainly', async () => {
  shop = await startStubShop({ stock: 1, holdMs: 1, honesty: 'honest' })
  const { origin } = shop
  await shop.close()
  shop = undefined
  const { code, stderr } = await functionalTest(
    '-flashsale=1',
    '-productID=1',
    '-h',
    origin,
    '--admin-token',
    'any',
  )
  expect(stderr).toContain(`cannot reach ${origin}`)
  expect(code).toBe(2)
})

test('an unknown flag is answered with the usage', async () => {
  const { code, stderr } = await functionalTest('--colour', 'blue')
  expect(stderr).toContain('--colour')
  expect(stderr).toContain('Usage: npm run functional-test')
  expect(code).toBe(2)
})
