import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from 'jose'

export type SigningAlgorithm = 'RS256' | 'ES256' | 'EdDSA' | 'PS256'

/** An identity provider with keys that come and go, on a port of its own. */
export interface FakeIssuer {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: string
  /** Returns how often the keys were read. */
  asked(): number
  /** Makes a key and publishes it. */
  addKey(id: string, algorithm?: SigningAlgorithm): Promise<void>
  /** Stops publishing it; it still signs. */
  withdrawKey(id: string): void
  /** A token signed with the key, good for an hour of the given clock; claims are merged over. */
  token(keyId: string, now: number, claims?: JWTPayload): Promise<string>
  /** Sets the answer of the JWKS URL; undefined restores the keys. */
  answerWith(answer: ((response: ServerResponse) => void) | undefined): void
  close(): Promise<void>
}

interface Key {
  readonly algorithm: SigningAlgorithm
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export async function startFakeIssuer(): Promise<FakeIssuer> {
  const keys = new Map<string, Key>()
  const published = new Set<string>()
  let asked = 0
  let answer: ((response: ServerResponse) => void) | undefined

  const server = createServer((_request, response) => {
    asked += 1
    if (answer !== undefined) {
      answer(response)
      return
    }
    const jwks = { keys: [...published].map((id) => keys.get(id)?.jwk) }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(jwks))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const audience = 'flash-sales'

  return {
    issuer: url,
    audience,
    jwksUrl: `${url}/jwks`,
    asked: () => asked,
    async addKey(id, algorithm = 'ES256') {
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
      const jwk = { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: 'sig' }
      keys.set(id, { algorithm, privateKey, jwk })
      published.add(id)
    },
    withdrawKey: (id) => void published.delete(id),
    token(keyId, now, claims) {
      const key = keys.get(keyId)
      if (key === undefined) throw new Error(`no key ${keyId}`)
      const iat = Math.floor(now / 1000)
      const good = { iss: url, aud: audience, sub: 'ann', iat, exp: iat + 3_600 }
      return new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg: key.algorithm, kid: keyId, typ: 'JWT' })
        .sign(key.privateKey)
    },
    answerWith(next) {
      answer = next
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
