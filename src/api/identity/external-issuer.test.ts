import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLogger } from '../../logger.ts'
import { startFakeIssuer, type FakeIssuer } from '../../../test/support/fake-issuer.ts'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import { until } from '../../../test/support/until.ts'
import { IdentityUnavailableError, type TokenIssuer } from './authentication.ts'
import { createExternalIssuer } from './external-issuer.ts'
import { createRemoteKeys, type RemoteKeys } from './remote-keys.ts'

let fixture: SaleFixture
let provider: FakeIssuer
let keys: RemoteKeys
let issuer: TokenIssuer

const minuteMs = 60_000
const now = (): number => fixture.clock.now()
/** Makes a token of the provider; it is valid unless `claims` break it. */
const token = (claims = {}, keyId = 'first') => provider.token(keyId, now(), claims)
const userOf = async (text: string) => (await issuer.identify(text))?.userId

beforeEach(async () => {
  fixture = await openSaleFixture()
  provider = await startFakeIssuer()
  await provider.addKey('first')
  const context = { clock: fixture.clock, logger: createLogger('silent', {}) }
  keys = createRemoteKeys({ ...context, url: provider.jwksUrl, timeoutMs: 300 })
  issuer = createExternalIssuer({ ...fixture, ...provider, keys, defer: setImmediate })
})
afterEach(async () => {
  await keys.stop()
  await provider.close()
  await fixture.close()
})

describe('a token of the external issuer', () => {
  it.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'is read when signed with %s',
    async (algorithm) => {
      await provider.addKey('second', algorithm)
      expect(await userOf(await token({}, 'second'))).toBeGreaterThan(1)
    },
  )

  it('means the same user every time, and another for another subject', async () => {
    const ann = await userOf(await token())
    const bob = await userOf(await token({ sub: 'bob' }))
    expect(await userOf(await token({ jti: 'again' }))).toBe(ann)
    expect(bob).not.toBe(ann)
  })

  it('does not mean user 7 because its subject is 7', async () => {
    const users = await fixture.users(10)
    expect(users).toContain(7)
    expect(users).not.toContain(await userOf(await token({ sub: '7' })))
  })

  it('makes one user of a subject, however often it is seen at once', async () => {
    const subjects = Array.from({ length: 100 }, (_, index) => `subject-${index % 50}`)
    const tokens = await Promise.all(subjects.map((sub) => token({ sub })))
    const userIds = await Promise.all(tokens.map(userOf))
    expect(new Set(userIds).size).toBe(50)
    expect(userIds.slice(0, 50)).toEqual(userIds.slice(50))
    const rows = await fixture.rows('select * from user_identities')
    expect(rows).toHaveLength(50)
  })

  it('leaves nothing of itself here but issuer and subject', async () => {
    await userOf(await token({ email: 'ann@example.com', name: 'Ann' }))
    const [user] = await fixture.rows<{ name: string; email: string }>(
      'select name, email from users order by id desc limit 1',
    )
    expect(user?.name).toBe('Shopper')
    expect(user?.email).toMatch(/@users\.invalid$/)
  })

  it('is good until it expires, and at most ten minutes without another look', async () => {
    const exp = now() / 1000 + 60
    expect((await issuer.identify(await token({ exp })))?.goodUntil).toBe(exp * 1000)
    expect((await issuer.identify(await token()))?.goodUntil).toBe(now() + 10 * minuteMs)
  })

  it.each([
    ['expired', { exp: 1 }],
    ['without an expiry', { exp: undefined }],
    ['not good yet', { nbf: 4_000_000_000 }],
    ['of another issuer', { iss: 'https://elsewhere.example' }],
    ['for another audience', { aud: 'another-api' }],
    ['without an audience', { aud: undefined }],
    ['without a subject', { sub: undefined }],
    ['with an empty subject', { sub: '' }],
    ['with a subject that is no text', { sub: 'a\u0000b' }],
    ['with a subject no database could tell apart', { sub: '\ud800' }],
    ['with a subject of 256 characters', { sub: 'x'.repeat(256) }],
  ])('%s is nobody’s', async (_title, claims) => {
    expect(await userOf(await token(claims))).toBeUndefined()
    expect(await fixture.rows('select * from user_identities')).toEqual([])
  })

  it.each([5, true, null, { name: 'alice' }, [['alice']]])(
    'whose subject is no string is nobody’s: %j',
    async (sub) => {
      expect(await userOf(await token({ sub }))).toBeUndefined()
      expect(await fixture.rows('select * from user_identities')).toEqual([])
    },
  )

  it('in an algorithm that is not pinned is nobody’s, though the key is published', async () => {
    await provider.addKey('second', 'PS256')
    expect(await userOf(await token({}, 'second'))).toBeUndefined()
  })

  it('signed with the published key as a shared secret is nobody’s', async () => {
    await provider.addKey('second', 'RS256')
    const [, claims = ''] = (await token({}, 'second')).split('.')
    const response = await fetch(provider.jwksUrl)
    const { keys: published } = (await response.json()) as { keys: { n?: string }[] }
    const secret = published.find(({ n }) => n !== undefined)?.n ?? ''
    for (const alg of ['HS256', 'RS256', 'none']) {
      const head = Buffer.from(JSON.stringify({ alg, kid: 'second' })).toString('base64url')
      const signature = createHmac('sha256', secret).update(`${head}.${claims}`).digest('base64url')
      expect(await userOf(`${head}.${claims}.${alg === 'none' ? '' : signature}`)).toBeUndefined()
    }
  })

  it('of somebody else’s key under a known name is nobody’s', async () => {
    const forger = await startFakeIssuer()
    await forger.addKey('first')
    const { issuer: iss, audience: aud } = provider
    expect(await userOf(await forger.token('first', now(), { iss, aud }))).toBeUndefined()
    await forger.close()
  })
})

describe('the keys of the issuer', () => {
  it('are read once for many tokens', async () => {
    await Promise.all([token(), token({ sub: 'bob' })].map(async (text) => userOf(await text)))
    expect(provider.asked()).toBe(1)
  })

  it('are read again for a key nobody knows', async () => {
    await userOf(await token())
    await provider.addKey('second')
    fixture.clock.advance(10_000)
    expect(await userOf(await token({}, 'second'))).toBeDefined()
  })

  it('are read at most every ten seconds, whatever key ids are invented', async () => {
    await userOf(await token())
    const forger = await startFakeIssuer()
    for (let round = 0; round < 20; round += 1) {
      await forger.addKey(`invented-${round}`)
      expect(await userOf(await forger.token(`invented-${round}`, now()))).toBeUndefined()
    }
    expect(provider.asked()).toBe(1)
    fixture.clock.advance(10_000)
    await userOf(await forger.token('invented-1', now()))
    expect(provider.asked()).toBe(2)
    await forger.close()
  })

  it('go on working while their host is away, for as long as it is', async () => {
    await userOf(await token())
    await provider.addKey('second')
    provider.answerWith((response) => response.destroy())
    fixture.clock.advance(24 * 60 * minuteMs)
    expect(await userOf(await token())).toBeDefined()
    await expect(issuer.identify(await token({}, 'second'))).rejects.toThrow(
      IdentityUnavailableError,
    )
    provider.answerWith(undefined)
    fixture.clock.advance(1_000)
    expect(await userOf(await token({}, 'second'))).toBeDefined()
  })

  it('are forgotten when withdrawn, behind the back of the first who asks', async () => {
    await provider.addKey('second')
    expect(await userOf(await token())).toBeDefined()
    provider.withdrawKey('first')
    fixture.clock.advance(10 * minuteMs)
    expect(await userOf(await token())).toBeDefined()
    await until(() => provider.asked() === 2, 2_000, 'the second reading')
    await until(
      async () => (await userOf(await token())) === undefined,
      2_000,
      'the end of the key',
    )
    expect(await userOf(await token({}, 'second'))).toBeDefined()
  })

  it.each([
    ['refuses the connection', (response) => void response.destroy()],
    ['answers 500', (response) => void response.writeHead(500).end('{"keys":[]}')],
    ['redirects', (response) => void response.writeHead(302, { location: '/jwks' }).end()],
    ['answers no JSON', (response) => void response.end('<html>')],
    ['answers null', (response) => void response.end('null')],
    ['has no keys', (response) => void response.end('{"keys":[]}')],
    ['has keys that are none', (response) => void response.end('{"keys":[1]}')],
    ['never answers', () => undefined],
    ['never ends', (response) => void response.write('{"keys":[')],
    ['sends a megabyte', (response) => void response.end(`{"keys":["${'x'.repeat(1 << 20)}"]}`)],
  ] satisfies [string, Parameters<FakeIssuer['answerWith']>[0]][])(
    'are unavailable, not wrong, when their host %s at first; a second later it is asked again',
    async (_title, answer) => {
      provider.answerWith(answer)
      expect(keys.status()).not.toBe('ok')
      await expect(issuer.identify(await token())).rejects.toThrow(IdentityUnavailableError)
      provider.answerWith(undefined)
      fixture.clock.advance(1_000)
      expect(await userOf(await token())).toBeDefined()
      expect(keys.status()).toBe('ok')
    },
  )
})
