import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectAuditClean, readStock } from '../support/expectations.ts'
import type { Answer } from '../support/http.ts'
import { createSale } from '../support/sale.ts'
import { testAdminToken } from '../support/start-app.ts'
import { startProcess, untilReady, type TestProcess } from '../support/start-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'

/** The requests of operators, when the program is killed between their commit and their answer. */
describe('a program that is killed while operators change things', () => {
  let folder: TemporaryFolder
  let shop: TestProcess

  async function start(): Promise<void> {
    shop = await startProcess({
      DATABASE_PATH: join(folder.path, 'holdfast.db'),
      PAYMENT_SIMULATOR_PATH: join(folder.path, 'payment-simulator.db'),
    })
    await untilReady(shop)
  }

  beforeEach(async () => {
    folder = createTemporaryFolder()
    await start()
  })
  afterEach(async () => {
    await shop.kill()
    folder.remove()
  })

  function send(method: string, path: string, body: unknown, key: string): Promise<Answer> {
    const headers = { 'idempotency-key': key }
    return shop.call(method, path, { token: testAdminToken, body, headers })
  }

  it('has done each of them once after they were repeated with their keys', async () => {
    const count = 300
    const { productId } = await createSale(shop.call, { stock: 10 })
    const adjust = (index: number) =>
      send(
        'PATCH',
        `/v1/admin/products/${productId}/stock`,
        { adjustBy: 5, reason: 'found' },
        `adjust-${index}`,
      )
    const all = Array.from({ length: count }, (_, index) => index)
    const asked = all.map((index) => adjust(index).catch(() => undefined))
    // The first answer says that commits have begun; most of the others are still on their way.
    await Promise.race(asked)
    await shop.kill()
    const answered = await Promise.all(asked)
    const lost = answered.filter((answer) => answer === undefined).length
    expect(lost).toBeGreaterThan(0)

    await start()
    const repeated = await Promise.all(all.map(adjust))
    for (const [index, { status, text }] of repeated.entries()) {
      expect(status).toBe(200)
      if (answered[index] !== undefined) expect(text).toBe(answered[index].text)
    }
    const allotment = 10 + 5 * count
    expect(await readStock(shop.call, productId)).toMatchObject({ allotment, available: allotment })
    await expectAuditClean(shop.call)
  })

  it('makes the rest of a batch of users that it was killed in', async () => {
    const count = 10_000
    const batch = () => send('POST', '/v1/admin/users/batch', { count }, 'bots')
    const asked = batch().catch(() => undefined)
    const actions = async () => {
      const { body } = await shop.call('GET', '/v1/admin/actions', { token: testAdminToken })
      return (body['items'] as unknown as readonly unknown[]).length
    }
    while ((await actions()) === 0) continue
    await shop.kill()
    expect(await asked).toBeUndefined()

    await start()
    const again = await batch()
    const { users } = again.body as unknown as { users: readonly { id: number; token: string }[] }
    expect([again.status, new Set(users.map(({ id }) => id)).size]).toEqual([201, count])
    // The shop's own user is the first; there is none beside it and those of the batch.
    expect(Math.max(...users.map(({ id }) => id))).toBe(count + 1)
    const { token } = users[0]!
    expect((await shop.call('GET', '/v1/cart', { token })).status).toBe(200)
  })
})
