import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import type { TestShopper } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

let app: TestApp

beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.stop())

const register = (body: unknown) => app.call('POST', '/v1/users', { body })
const batch = (body: unknown) =>
  app.call('POST', '/v1/admin/users/batch', { token: testAdminToken, body })

describe('registering', () => {
  it('answers the user and a token that works at once', async () => {
    const answer = await register({ name: 'Ann', email: 'ann@example.com' })
    expect(answer.status).toBe(201)
    const { user, token } = answer.body as unknown as { user: unknown; token: string }
    expect(user).toEqual({
      id: expect.any(Number) as number,
      name: 'Ann',
      email: 'ann@example.com',
    })
    expect((await app.call('GET', '/v1/cart', { token })).status).toBe(200)
  })

  it('takes an address once, also of twenty at once', async () => {
    const user = { name: 'Ben', email: 'ben@example.com' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => register(user)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    for (const answer of answers)
      if (answer.status !== 201) expectProblem(answer, 409, 'email_taken')
  })

  it('takes an address once, in whatever case, form and spelling of its domain', async () => {
    for (const [first, ...others] of [
      ['Eve@Example.com', 'eve@example.com', 'EVE@EXAMPLE.COM'],
      ['用户@例え.jp', '用户@xn--r8jz45g.jp', '用户@例え。jp'],
      ['jörg@bücher.example', 'JO\u0308RG@xn--bcher-kva.example'],
    ]) {
      const made = await register({ name: 'Eve', email: first })
      expect([made.status, made.body['user']]).toEqual([
        201,
        expect.objectContaining({ email: first }),
      ])
      for (const email of [first, ...others]) {
        expectProblem(await register({ name: 'Eve', email }), 409, 'email_taken')
      }
    }
  })

  it('refuses what is no name or no address', async () => {
    const good = { name: 'Cy', email: 'cy@example.com' }
    const names = ['', ' ', 'x'.repeat(201), '\u0000', '\u0000Cy', 'C\ny', '\udfff', 5, null]
    const tooLong = [
      `${'x'.repeat(65)}@a.bc`,
      `cy@${'x'.repeat(64)}.bc`,
      `cy@${'x.'.repeat(126)}bc`,
    ]
    const hyphens = ['cy@-a.bc', 'cy@a-.bc', 'cy@a.-b.bc']
    const emails = ['', 'cy', '@', 'cy@', 'a b@example.com', ...tooLong, ...hyphens, 5, null]
    const bodies = [
      ...names.map((name) => ({ ...good, name })),
      ...emails.map((email) => ({ ...good, email })),
      { ...good, id: 1 },
      { ...good, email: 'cy\u0000@example.com' },
      { name: 'Cy' },
      {},
      undefined,
    ]
    for (const body of bodies) expectProblem(await register(body), 400, 'validation_failed')
    expect((await register(good)).status).toBe(201)
  })
})

describe('users in batches', () => {
  it('are ten thousand at most, each with a token of their own', async () => {
    const answer = await batch({ count: 10_000 })
    expect(answer.status).toBe(201)
    const { users } = answer.body as unknown as { users: readonly TestShopper[] }
    expect(new Set(users.map(({ id }) => id)).size).toBe(10_000)
    expect(new Set(users.map(({ token }) => token)).size).toBe(10_000)
    const { token } = users[9_999]!
    expect((await app.call('GET', '/v1/cart', { token })).status).toBe(200)
    expectProblem(await batch({ count: 10_001 }), 400, 'validation_failed')
  })

  it('are a whole number of users', async () => {
    for (const count of [0, -1, 1.5, '1', null, 2 ** 53, undefined]) {
      expectProblem(await batch({ count }), 400, 'validation_failed')
    }
  })
})
