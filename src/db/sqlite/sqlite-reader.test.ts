import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import { auditInvariants } from '../../audit/invariants.ts'
import { all, run, DatabaseUnavailableError } from '../database.ts'
import { openSqliteReader, type DatabaseReader } from './sqlite-reader.ts'

let fixture: SaleFixture
let reader: DatabaseReader

beforeEach(async () => {
  fixture = await openSaleFixture()
  reader = openSqliteReader(fixture.path)
})

afterEach(async () => {
  await reader.close()
  await fixture.close()
})

describe('reading in a thread', () => {
  it('gives what the database gives', async () => {
    await fixture.sale({ stock: 7 })
    expect(
      await reader.read(() => all('select available from stock where product_id = ?', 1)),
    ).toEqual([{ available: 7 }])
    expect(await auditInvariants(reader)).toEqual(await auditInvariants(fixture.database))
  })

  it('sees one snapshot for as long as a script runs, and the newest in the next', async () => {
    const count = 'select count(*) as users from users'
    const seen = await reader.read(function* () {
      const before = yield* all<{ users: number }>(count)
      void fixture.user()
      const slow =
        'with recursive n (i) as (select 1 union all select i + 1 from n where i < 300000) select count(*) from n'
      yield* all(slow)
      return [before, yield* all<{ users: number }>(count)]
    })
    expect(seen[0]).toEqual(seen[1])
    await fixture.user()
    const [after] = await reader.read(() => all<{ users: number }>(count))
    expect(after?.users).toBe((seen[0]?.[0]?.users ?? 0) + 2)
  })

  it('leaves the event loop free while a statement takes long', async () => {
    const slow =
      'with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000000) select count(*) from n'
    let turns = 0
    const counting = setInterval(() => (turns += 1), 1)
    await reader.read(() => all(slow))
    clearInterval(counting)
    expect(turns).toBeGreaterThan(10)
  })

  it('writes nothing', async () => {
    const write = reader.read(() => run('delete from shops'))
    await expect(write).rejects.toThrow(/readonly|query_only|attempt to write/)
    expect(await reader.read(() => all('select id from shops'))).toHaveLength(1)
  })

  it('goes on after a statement that failed, and ends with close', async () => {
    await expect(reader.read(() => all('select nothing'))).rejects.toThrow(DatabaseUnavailableError)
    expect(await reader.read(() => all('select 1 as one'))).toEqual([{ one: 1 }])
    await reader.close()
    await reader.close()
  })

  it('is unavailable where there is no file', async () => {
    const nowhere = openSqliteReader(`${fixture.path}.missing`)
    await expect(nowhere.read(() => all('select 1'))).rejects.toThrow(DatabaseUnavailableError)
    await nowhere.close()
  })
})
