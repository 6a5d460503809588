import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDatabaseFixture, type DatabaseFixture } from '../../test/support/database-fixture.ts'
import { run } from './database.ts'
import { createUser, findUserIds } from './users.ts'

let fixture: DatabaseFixture

beforeEach(async () => {
  fixture = await openDatabaseFixture()
})

afterEach(() => fixture.close())

const add = (email: string) => fixture.run(createUser({ name: 'Ada', email }, 1))

describe('users', () => {
  it('are made with one shop each', async () => {
    const user = await add('ada@example.com')
    expect(user).toEqual({ id: user?.id, uid: user?.uid, name: 'Ada', email: 'ada@example.com' })
    const shops = `select name from shops where owner_id = ?`
    expect(await fixture.rows(shops, user?.id ?? 0)).toEqual([{ name: 'Ada' }])
  })

  it('are not made when the address is taken, and no shop is', async () => {
    const before = await fixture.rows('select id from shops')
    await add('ada@example.com')
    expect(await add('ada@example.com')).toBeUndefined()
    expect(await fixture.rows('select id from shops')).toHaveLength(before.length + 1)
  })

  it('made with one address at once over two connections are one', async () => {
    const other = fixture.openAgain()
    const made = await Promise.all(
      [fixture.database, other].map((database) =>
        database.transaction(() => createUser({ name: 'Ada', email: 'ada@example.com' }, 1)),
      ),
    )
    expect(made.filter((user) => user !== undefined)).toHaveLength(1)
  })

  it('are found by their uid once they were made', async () => {
    const user = await add('ada@example.com')
    const uid = user?.uid ?? ''
    const found = await fixture.read(findUserIds(['f'.repeat(32), uid, uid]))
    expect(found).toEqual([undefined, user?.id, user?.id])
  })

  it('have random uids that nothing changes', async () => {
    const [one, other] = [await add('one@example.com'), await add('other@example.com')]
    expect(one?.uid).toMatch(/^[0-9a-f]{32}$/)
    expect(one?.uid).not.toBe(other?.uid)
    const swap = fixture.run(run('update users set uid = ? where id = ?', 'f'.repeat(32), 1))
    await expect(swap).rejects.toThrow('never changes')
  })
})
