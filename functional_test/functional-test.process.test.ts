import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startStubShop, type StubShop } from './testing/stub-shop.ts'

const program = join(import.meta.dirname, 'main.ts')
const runTimeoutMs = 80_000

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function functionalTest(...flags: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...flags], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runTimeoutMs,
    env: { ...process.env, ADMIN_TOKEN: '' },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

let shop: StubShop | undefined

afterEach(async () => {
  await shop?.close()
  shop = undefined
})

async function raceAtStub(honesty: 'honest' | 'oversells'): Promise<Outcome> {
  shop = await startStubShop({ stock: 10, holdMs: 2_000, honesty })
  return functionalTest(
    ...[`-flashsale=${shop.flashSaleId}`, `-productID=${shop.productId}`, '-h', shop.origin],
    ...['--admin-token', shop.adminToken, '--bots', '60', '--seed', '5', '--timeout', '60'],
  )
}

test('the program sells out to a hundred bots and every invariant holds', async () => {
  const { code, stdout } = await functionalTest(
    ...['--bots', '100', '--stock', '20', '--hold-seconds', '3', '--seed', '1', '--timeout', '60'],
  )
  expect(stdout).toContain('seed 1 ')
  expect(stdout).toMatch(/holds +B3 +sold units \(API A\) = units of paid invoices \(API B\)/)
  expect(stdout).toMatch(/holds +audit /)
  expect(stdout).toMatch(
    /holds +stop +the program stops cleanly on SIGTERM +exit code 0, when asked to/,
  )
  expect(stdout).toMatch(/VERDICT: all \d+ invariants hold\n$/)
  expect(code).toBe(0)
})

test('an honest shop elsewhere is believed', async () => {
  const { code, stdout } = await raceAtStub('honest')
  expect(stdout).toMatch(/VERDICT: all \d+ invariants hold\n$/)
  expect(code).toBe(0)
})

test('a shop that oversells is found out, although its stock and audit look innocent', async () => {
  const { code, stdout } = await raceAtStub('oversells')
  expect(stdout).toMatch(/holds +B1 +available, held and sold are never negative/)
  expect(stdout).toMatch(/holds +audit /)
  expect(stdout).toMatch(/VIOLATED +B4 +paid units \(API B\) are at most the allotment/)
  expect(stdout).toMatch(/VIOLATED +B8 +holds alive at any moment are at most the allotment/)
  expect(stdout).toMatch(/VERDICT: \d+ of \d+ invariants VIOLATED\n$/)
  expect(code).toBe(1)
})

test('a host that is not there is said plainly', async () => {
  shop = await startStubShop({ stock: 1, holdMs: 1, honesty: 'honest' })
  const { origin } = shop
  await shop.close()
  shop = undefined
  const { code, stderr } = await functionalTest(
    ...['-flashsale=1', '-productID=1', '-h', origin, '--admin-token', 'any'],
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
