import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import { until } from '../../../test/support/until.ts'
import type { Database } from '../../db/database.ts'
import { first, run, type Script } from '../../db/database.ts'
import type { Clock } from '../../clock.ts'
import { createSharedPages, type SharedPage, type SharedPages } from './shared-pages.ts'

interface Shown {
  readonly name: string
}

let fixture: SaleFixture
let pages: SharedPages
/** The number of reads of the page. */
let reads: number
let changesAt: number

beforeEach(async () => {
  fixture = await openSaleFixture()
  reads = 0
  changesAt = Infinity
  pages = createSharedPages({ ...fixture, defer: setImmediate })
})
afterEach(() => fixture.close())

const page: SharedPage<Shown> = {
  *read() {
    reads += 1
    return yield* first<Shown>('select name from users where id = 1')
  },
  view: ({ name }, now) => ({ serverTime: new Date(now).toISOString(), name }),
  changesAt: () => changesAt,
}
const rename = (name: string): Script<void> => run('update users set name = ? where id = 1', name)

async function ask(from: SharedPages = pages) {
  const reply = await from.answer('page', page)
  const { name } = JSON.parse(reply?.bytes?.toString() ?? '{}') as Partial<Shown>
  return { name, etag: reply?.headers?.['etag'] }
}

describe('a shared page', () => {
  it('is read once for all who ask, in one tick or later', async () => {
    const asked = await Promise.all(Array.from({ length: 50 }, () => ask()))
    for (let round = 0; round < 50; round += 1) asked.push(await ask())
    expect(new Set(asked.map(({ name }) => name))).toEqual(new Set(['Holdfast']))
    expect(reads).toBe(1)
  })

  it('shows what this process committed, at once', async () => {
    for (const name of ['Ann', 'Bob', 'Cem']) {
      await fixture.run(rename(name))
      expect((await ask()).name).toBe(name)
    }
  })

  it('shows what another process committed, at once', async () => {
    const other = fixture.openAgain()
    for (const name of ['Ann', 'Bob', 'Cem']) {
      await other.transaction(() => rename(name))
      expect((await ask()).name).toBe(name)
    }
  })

  it('is not what was read before a commit for those who ask after it, though it is being read', async () => {
    let finish = (): void => undefined
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const database: Database = {
      ...fixture.database,
      async read(script) {
        const before = reads
        const result = await fixture.database.read(script)
        if (before === 0 && reads === 1) await finished
        return result
      },
    }
    pages = createSharedPages({ ...fixture, database, defer: setImmediate })
    const before = ask()
    await until(() => reads === 1, 2_000, 'being read')
    await fixture.run(rename('Ann'))
    const after = ask()
    await new Promise((resolve) => setImmediate(resolve))
    finish()
    expect([(await before).name, (await after).name]).toEqual(['Holdfast', 'Ann'])
  })

  it('is read again when the clock changes it, and after a second in any case', async () => {
    changesAt = fixture.clock.now() + 500
    await ask()
    fixture.clock.advance(499)
    await ask()
    expect(reads).toBe(1)
    fixture.clock.advance(1)
    changesAt = Infinity
    await ask()
    expect(reads).toBe(2)
    fixture.clock.advance(999)
    await ask()
    expect(reads).toBe(2)
    fixture.clock.advance(1)
    await ask()
    expect(reads).toBe(3)
  })

  it('that is not there is asked for again, and is there once it was made', async () => {
    const missing: SharedPage<Shown> = {
      ...page,
      read: () => first<Shown>('select name from users where id = 2'),
    }
    expect(await pages.answer('missing', missing)).toBeUndefined()
    await fixture.user()
    expect(await pages.answer('missing', missing)).toBeDefined()
  })

  it('has a weak tag that changes with what it says, and not with the time of the server', async () => {
    const { etag } = await ask()
    expect(etag).toMatch(/^W\/"[\w-]{22}"$/)
    fixture.clock.advance(5_000)
    expect((await ask()).etag).toBe(etag)
    expect(reads).toBe(2)
    await fixture.run(rename('"serverTime":"x",'))
    const odd = (await ask()).etag
    await fixture.run(rename('"serverTime":"y",'))
    expect((await ask()).etag).not.toBe(odd)
    expect(odd).not.toBe(etag)
  })

  it('that fails to be read is an error for those who asked, and read again for the next', async () => {
    let isBroken = true
    const database: Database = {
      ...fixture.database,
      read: (script) =>
        isBroken ? Promise.reject(new Error('broken')) : fixture.database.read(script),
    }
    pages = createSharedPages({ ...fixture, database, defer: setImmediate })
    await expect(Promise.all([ask(), ask()])).rejects.toThrow('broken')
    isBroken = false
    expect((await ask()).name).toBe('Holdfast')
  })
})

describe('a page that changes all the time', () => {
  it('rests ten times as long as reading it took, and whoever asks meanwhile waits for the next', async () => {
    let tookMs = 0
    const { clock } = fixture
    const slowClock: Clock = { ...clock, monotonic: () => clock.monotonic() + tookMs }
    const slowPage: SharedPage<Shown> = {
      ...page,
      view(shown, now) {
        tookMs += 8
        return page.view(shown, now)
      },
    }
    pages = createSharedPages({ ...fixture, clock: slowClock, defer: setImmediate })
    await pages.answer('page', slowPage)
    await fixture.run(rename('Ann'))
    const asked = Array.from({ length: 20 }, () => pages.answer('page', slowPage))
    // All of them have looked at the version when this read is over.
    await fixture.rows('select 1')
    await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBe(1)
    clock.advance(79)
    await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBe(1)
    await fixture.run(rename('Bob'))
    clock.advance(1)
    const answers = await Promise.all(asked)
    expect(reads).toBe(2)
    expect(new Set(answers.map((reply) => String(reply?.bytes)))).toHaveLength(1)
    expect(String(answers[0]?.bytes)).toContain('Bob')
  })
})
