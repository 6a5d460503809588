import { createHmac } from 'node:crypto'
import { testJwtSecret } from './start-app.ts'

export interface TokenOptions {
  /** Claims that replace valid ones; undefined removes a claim. */
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly secret?: string
  readonly hash?: 'sha256' | 'sha512'
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The subject of a token that was issued: the uid of its user. */
export function subjectOf(token: string): string {
  const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')
  return (JSON.parse(claims) as { readonly sub: string }).sub
}

/** A uid of the right form that no user has. */
export const nobodysUid = 'f'.repeat(32)

/** Makes a JWT by hand, so that it can be wrong in every way; `subject` is the uid of a user. */
export function makeToken(subject: string, options: TokenOptions = {}): string {
  const { secret = testJwtSecret, hash = 'sha256', header, claims } = options
  const exp = Math.floor(Date.UTC(2099, 0) / 1000)
  const good = { sub: subject, iss: 'holdfast', aud: 'holdfast', iat: 1_700_000_000, exp }
  const head = encode({ alg: 'HS256', typ: 'JWT', ...header })
  const signed = `${head}.${encode({ ...good, ...claims })}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}
