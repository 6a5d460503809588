import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../db/database.ts'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import { testAdminToken, testJwtSecret } from '../../../test/support/start-app.ts'
import { makeToken, nobodysUid } from '../../../test/support/tokens.ts'
import { createAuthentication, type Authentication } from './authentication.ts'
import { createLocalIssuer, type LocalIssuer } from './local-issuer.ts'

const dayMs = 86_400_000

describe('authentication', () => {
  let fixture: SaleFixture
  let reads: number
  let issuer: LocalIssuer
  let authentication: Authentication
  let userId: number

  beforeEach(async () => {
    fixture = await openSaleFixture()
    reads = 0
    const database: Database = {
      ...fixture.database,
      read: (script) => {
        reads += 1
        return fixture.database.read(script)
      },
    }
    const { clock } = fixture
    const secret = { jwtSecret: testJwtSecret }
    issuer = createLocalIssuer({ ...secret, database, clock, defer: setImmediate })
    authentication = createAuthentication({ issuer, adminToken: testAdminToken, clock })
    userId = await fixture.user()
  })
  afterEach(() => fixture.close())

  const uid = (): string => fixture.uidOf(userId)
  const bearer = (token: string): string => `Bearer ${token}`

  it('knows a shopper by the token it issued, for a day', async () => {
    const header = bearer(issuer.issue(uid()))
    fixture.clock.advance(dayMs - 1_000)
    expect(await authentication.shopper(header)).toEqual(
      expect.objectContaining({ userId, userUid: uid() }),
    )
    fixture.clock.advance(1_000)
    expect(await authentication.shopper(header)).toBeUndefined()
  })

  it('asks the database once per token', async () => {
    const header = bearer(issuer.issue(uid()))
    expect(authentication.knownShopper(header)).toBeUndefined()
    await authentication.shopper(header)
    await authentication.shopper(header)
    expect(authentication.knownShopper(header)).toEqual(
      expect.objectContaining({ userId, userUid: uid() }),
    )
    expect(reads).toBe(1)
  })

  it('asks the database once for all who come in one tick', async () => {
    const others = await Promise.all(Array.from({ length: 20 }, () => fixture.user()))
    reads = 0
    const headers = [...others, 999].map((id) => bearer(issuer.issue(fixture.uidOf(id))))
    const found = await Promise.all(headers.map((header) => authentication.shopper(header)))
    expect(found.map((shopper) => shopper?.userId)).toEqual([...others, undefined])
    expect(reads).toBe(1)
  })

  it('forgets a token it knows when it expires', async () => {
    const header = bearer(issuer.issue(uid()))
    await authentication.shopper(header)
    fixture.clock.advance(dayMs)
    expect(authentication.knownShopper(header)).toBeUndefined()
  })

  it('does not bother the database with tokens that are not its own', async () => {
    for (const token of ['x', 'a.b.c', makeToken(uid(), { secret: 'x'.repeat(40) })]) {
      expect(await authentication.shopper(bearer(token))).toBeUndefined()
    }
    expect(reads).toBe(0)
  })

  it('does not know a user who was never made, whoever signed', async () => {
    expect(await authentication.shopper(bearer(makeToken(nobodysUid)))).toBeUndefined()
    expect(await authentication.shopper(bearer(makeToken(String(userId))))).toBeUndefined()
  })

  it('takes the scheme in any case, and nothing around the token', async () => {
    const token = issuer.issue(uid())
    const good = [`bearer ${token}`, `BEARER   ${token}`]
    const bad = [token, ` ${token}`, `Bearer${token}`, `Bearer ${token} `, `Bearer ${token}\n`]
    for (const header of good)
      expect(await authentication.shopper(header)).toEqual(
        expect.objectContaining({ userId, userUid: uid() }),
      )
    for (const header of bad) expect(await authentication.shopper(header)).toBeUndefined()
  })

  it('takes the admin token as a bearer token only, and only all of it', () => {
    expect(authentication.isAdmin(bearer(testAdminToken))).toBe(true)
    const wrong = [
      undefined,
      '',
      testAdminToken,
      bearer(''),
      bearer(testAdminToken.slice(0, -1)),
      bearer(`${testAdminToken}x`),
      bearer(testAdminToken.toUpperCase()),
      bearer(issuer.issue(uid())),
    ]
    for (const header of wrong) expect(authentication.isAdmin(header)).toBe(false)
  })

  it('does not take the admin token for a shopper', async () => {
    expect(await authentication.shopper(bearer(testAdminToken))).toBeUndefined()
  })
})
