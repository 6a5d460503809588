import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sqlite, type SqliteDatabase } from '../../db/sqlite/driver.ts'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { until } from '../../../test/support/until.ts'
import { testPaymentProvider } from '../provider.contract.ts'
import { ProviderUnavailableError, type PaymentOrder } from '../provider.ts'
import { testMethods } from './methods.ts'
import { createSimulatedProvider, type SimulatedProvider } from './simulated-provider.ts'

let folder: string
let path: string
let clock: FakeClock
let opened: { close(): unknown }[]

const random = (): number => 0.5

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-payments-'))
  path = join(folder, 'made', 'on demand', 'ledger.db')
  clock = createFakeClock()
  opened = []
})

afterEach(async () => {
  for (const resource of opened.reverse()) await resource.close()
  rmSync(folder, { recursive: true })
})

async function startProvider(slowMs?: number): Promise<SimulatedProvider> {
  const provider = createSimulatedProvider({
    path,
    clock,
    random,
    ...(slowMs === undefined ? {} : { slowMs }),
  })
  opened.push({ close: () => provider.stop() })
  await provider.start()
  return provider
}

/** Opens the file as another process does. */
function openBeside(): SqliteDatabase {
  const database = new Sqlite(path)
  opened.push(database)
  return database
}

function order(paymentId: string, method = 'pm_ok'): PaymentOrder {
  return {
    paymentId,
    invoiceId: `invoice of ${paymentId}`,
    amountMinor: 500,
    currency: 'EUR',
    method,
  }
}

function operations(database: SqliteDatabase): unknown {
  const text = `select payment_id || ' ' || operation || ' ' || result from operations`
  return database.prepare(text).pluck().all()
}

testPaymentProvider('simulated provider', async () => ({
  provider: await startProvider(),
  methods: { authorizes: 'pm_ok', declines: 'pm_declined' },
  close: () => Promise.resolve(),
}))

describe('test methods', () => {
  it.each([
    ['pm_ok', { kind: 'authorized' }],
    ['pm_declined', { kind: 'declined', code: 'card_declined' }],
    ['pm_insufficient_funds', { kind: 'declined', code: 'insufficient_funds' }],
    ['pm_of_somebody_else', { kind: 'declined', code: 'unknown_payment_method' }],
    ['constructor', { kind: 'declined', code: 'unknown_payment_method' }],
    ['', { kind: 'declined', code: 'unknown_payment_method' }],
  ])('%o is answered with %o', async (method, answer) => {
    const provider = await startProvider()
    expect(await provider.authorize(order('a', method))).toEqual(answer)
    expect(clock.pending()).toBe(0)
  })

  it('are all listed', () => {
    expect([...testMethods.keys()]).toEqual([
      'pm_ok',
      'pm_declined',
      'pm_insufficient_funds',
      'pm_slow',
      'pm_timeout_before',
      'pm_timeout_after',
      'pm_answer_lost',
      'pm_answers_twice',
      'pm_capture_late',
      'pm_capture_answer_lost',
      'pm_push',
    ])
  })
})

describe('pm_slow', () => {
  it('is on record only after the wait', async () => {
    const provider = await startProvider()
    const answer = provider.authorize(order('slow', 'pm_slow'))
    clock.advance(2_999)
    expect(await provider.find('slow')).toBeUndefined()
    clock.advance(1)
    expect(await answer).toEqual({ kind: 'authorized' })
    expect(await provider.find('slow')).toMatchObject({ status: 'authorized' })
  })

  it('waits as long as it is told', async () => {
    const provider = await startProvider(40)
    const answer = provider.authorize(order('slow', 'pm_slow'))
    clock.advance(40)
    expect(await answer).toEqual({ kind: 'authorized' })
  })

  it('never authorises what was voided meanwhile', async () => {
    const provider = await startProvider()
    const answer = provider.authorize(order('slow', 'pm_slow'))
    clock.advance(1_000)
    await provider.void('slow')
    clock.advance(2_000)
    expect(await answer).toEqual({ kind: 'declined', code: 'voided' })
    await expect(provider.capture('slow')).rejects.toThrow('not authorised')
    expect((await provider.readLedger()).captured).toEqual([])
  })

  it('is waited for by stop, and is on record afterwards', async () => {
    const provider = await startProvider()
    const answer = provider.authorize(order('slow', 'pm_slow'))
    const stopped = provider.stop()
    await expect(provider.find('slow')).rejects.toThrow(ProviderUnavailableError)
    clock.advance(3_000)
    await stopped
    expect(await answer).toEqual({ kind: 'authorized' })
    expect(await (await startProvider()).find('slow')).toMatchObject({ status: 'authorized' })
  })
})

describe('methods that misbehave', () => {
  it.each([
    ['pm_timeout_before', undefined, 5_000],
    ['pm_timeout_after', 'authorized', 5_000],
    ['pm_answer_lost', 'authorized', 0],
  ])('%s: no answer, and %s is on record', async (method, status, silentMs) => {
    const provider = await startProvider()
    const answer = provider.authorize(order('a', method))
    const refused = expect(answer).rejects.toThrow(ProviderUnavailableError)
    await until(async () => (await provider.find('a'))?.status === status, 2_000)
    if (silentMs > 0) await until(() => clock.pending() > 0, 2_000)
    clock.advance(silentMs)
    await refused
    expect((await provider.find('a'))?.status).toBe(status)
  })

  it('pm_answers_twice decides once', async () => {
    const provider = await startProvider()
    expect(await provider.authorize(order('a', 'pm_answers_twice'))).toEqual({ kind: 'authorized' })
    expect(operations(openBeside())).toEqual(['a authorize authorized', 'a authorize unchanged'])
  })

  it('pm_capture_late moves the money some time after it was first asked to', async () => {
    const provider = await startProvider()
    await provider.authorize(order('a', 'pm_capture_late'))
    clock.advance(60_000)
    await expect(provider.capture('a')).rejects.toThrow(ProviderUnavailableError)
    clock.advance(2_999)
    await expect(provider.capture('a')).rejects.toThrow(ProviderUnavailableError)
    clock.advance(1)
    await provider.capture('a')
    expect(await provider.find('a')).toMatchObject({ status: 'captured' })
  })

  it('pm_capture_answer_lost moves the money and does not say so the first time', async () => {
    const provider = await startProvider()
    await provider.authorize(order('a', 'pm_capture_answer_lost'))
    await expect(provider.capture('a')).rejects.toThrow(ProviderUnavailableError)
    expect(await provider.find('a')).toMatchObject({ status: 'captured' })
    await provider.capture('a')
  })
})

describe('a push payment', () => {
  it('is pending until its money arrives, once', async () => {
    const provider = await startProvider()
    expect(await provider.authorize(order('a', 'pm_push'))).toEqual({ kind: 'pending' })
    await expect(provider.capture('a')).rejects.toThrow('not authorised')
    await provider.arrive('a')
    await provider.arrive('a')
    expect(await provider.find('a')).toMatchObject({ status: 'captured' })
    expect(await provider.authorize(order('a', 'pm_push'))).toEqual({ kind: 'authorized' })
    expect((await provider.undeliveredEvents(10)).map(({ status }) => status)).toEqual(['captured'])
  })

  it('arrives after its void, too, which no card can', async () => {
    const provider = await startProvider()
    await provider.authorize(order('a', 'pm_push'))
    await provider.void('a')
    await provider.arrive('a')
    expect(await provider.find('a')).toMatchObject({ status: 'captured' })
    await provider.authorize(order('b'))
    await provider.void('b')
    await expect(provider.arrive('b')).rejects.toThrow('no push payment')
    await expect(provider.arrive('unknown')).rejects.toThrow('no push payment')
  })
})

describe('start and stop', () => {
  it('may be called twice', async () => {
    const provider = await startProvider()
    await provider.start()
    await Promise.all([provider.stop(), provider.stop()])
    await provider.stop()
    await expect(provider.start()).rejects.toThrow('final')
  })

  it('leave no answer outside of them', async () => {
    const provider = createSimulatedProvider({ path, clock, random })
    await expect(provider.authorize(order('a'))).rejects.toThrow(ProviderUnavailableError)
    await provider.stop()
    await expect(provider.capture('a')).rejects.toThrow(ProviderUnavailableError)
  })

  it('keep the ledger', async () => {
    const before = await startProvider()
    await before.authorize(order('paid'))
    await before.capture('paid')
    await before.authorize(order('no', 'pm_declined'))
    await before.void('given up')
    await before.stop()

    const after = await startProvider()
    expect(await after.find('paid')).toMatchObject({ status: 'captured', amountMinor: 500 })
    expect(await after.authorize(order('no'))).toEqual({ kind: 'declined', code: 'card_declined' })
    expect(await after.authorize(order('given up'))).toEqual({ kind: 'declined', code: 'voided' })
    await expect(after.void('paid')).rejects.toThrow('captured')
  })

  it('refuse a file of somebody else, or of another version and say to remove it', async () => {
    await (await startProvider()).stop()
    const beside = openBeside()
    for (const version of [1, 3]) {
      beside.pragma(`user_version = ${version}`)
      await expect(startProvider()).rejects.toThrow(`schema ${version}, not 2: remove ${path}`)
    }
    beside.pragma('application_id = 7')
    await expect(startProvider()).rejects.toThrow('not the ledger')
  })

  it.each(['create table diary (day text)', 'pragma application_id = 7'])(
    'write nothing into a file of somebody else: %s',
    async (statement) => {
      path = join(folder, 'theirs.db')
      const theirs = openBeside()
      theirs.exec(statement)
      const before = readFileSync(path)
      await expect(startProvider()).rejects.toThrow('not the ledger')
      expect(readFileSync(path).equals(before)).toBe(true)
    },
  )
})

describe('several processes on one file', () => {
  it('authorise the same id once', async () => {
    const [first, second] = await Promise.all([startProvider(), startProvider()])
    const answers = await Promise.all([first.authorize(order('a')), second.authorize(order('a'))])
    expect(answers).toEqual([{ kind: 'authorized' }, { kind: 'authorized' }])
    expect(operations(openBeside())).toEqual(['a authorize authorized', 'a authorize unchanged'])
  })

  it('capture the same payment once', async () => {
    const [first, second] = await Promise.all([startProvider(), startProvider()])
    await first.authorize(order('a'))
    await Promise.all([first.capture('a'), second.capture('a')])
    expect(operations(openBeside())).toEqual([
      'a authorize authorized',
      'a capture captured',
      'a capture unchanged',
    ])
  })

  it('wait for each other without blocking', async () => {
    const provider = await startProvider()
    const beside = openBeside()
    beside.exec('begin immediate')
    const answer = provider.authorize(order('a'))
    await until(() => clock.pending() > 0, 5_000, 'the first try')
    beside.exec('commit')
    clock.advance(10)
    expect(await answer).toEqual({ kind: 'authorized' })
  })

  it('get no answer when one of them never lets go, and nothing is written', async () => {
    const provider = await startProvider()
    const beside = openBeside()
    beside.exec('begin immediate')
    const answer = provider.authorize(order('a'))
    clock.advance(2_000)
    await expect(answer).rejects.toThrow(ProviderUnavailableError)
    beside.exec('commit')
    expect(await provider.find('a')).toBeUndefined()
  })

  it('can read while one of them writes', async () => {
    const provider = await startProvider()
    await provider.authorize(order('a'))
    openBeside().exec('begin immediate')
    expect(await provider.find('a')).toMatchObject({ status: 'authorized' })
  })
})

describe('the ledger', () => {
  it('shows an audit what was captured, and nothing else', async () => {
    const provider = await startProvider()
    for (const paymentId of ['b', 'a', 'c']) await provider.authorize(order(paymentId))
    await provider.authorize({ ...order('d'), currency: 'USD', amountMinor: 7 })
    for (const paymentId of ['b', 'a', 'd']) await provider.capture(paymentId)
    await provider.void('c')

    const page = await provider.readLedger()
    expect(page.captured.map(({ paymentId }) => paymentId)).toEqual(['a', 'b', 'd'])
    expect(page.captured[0]).toEqual({
      paymentId: 'a',
      invoiceId: 'invoice of a',
      amountMinor: 500,
      currency: 'EUR',
      capturedAt: clock.now(),
    })
    expect(page.next).toBeUndefined()
    expect((await provider.readLedger('a')).captured).toHaveLength(2)
  })

  it('remembers every attempt to void a payment that was captured', async () => {
    const provider = await startProvider()
    await provider.authorize(order('a'))
    await provider.capture('a')
    expect((await provider.readLedger()).voidsOfCaptured).toBe(0)
    await expect(provider.void('a')).rejects.toThrow('captured')
    expect((await provider.readLedger()).voidsOfCaptured).toBe(1)
  })

  it('logs what was refused too', async () => {
    const provider = await startProvider()
    await provider.authorize(order('a'))
    await expect(provider.authorize({ ...order('a'), amountMinor: 1 })).rejects.toThrow('amount')
    await expect(provider.capture('unknown')).rejects.toThrow('not authorised')
    expect(operations(openBeside())).toEqual([
      'a authorize authorized',
      'a authorize refused',
      'unknown capture refused',
    ])
  })
})
