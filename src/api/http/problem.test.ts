import { describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { DatabaseUnavailableError } from '../../db/database.ts'
import { refusals } from '../../domain/refusal.ts'
import { toProblem } from './app.ts'
import { problem, problemCodes, ProblemError, problemKind, type ProblemBody } from './problem.ts'

const codeOf = (error: unknown): string => (toProblem(error).body as ProblemBody).code

describe('problems', () => {
  it('have a stable code in snake case, an error status and a title each', () => {
    for (const code of problemCodes) {
      const { status, title } = problemKind(code)
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(title).not.toBe('')
    }
  })

  it('say when to come back wherever coming back helps', () => {
    for (const code of problemCodes) {
      const { status, retryAfter } = problemKind(code)
      expect([code, retryAfter !== undefined]).toEqual([code, status === 503 || status === 429])
    }
  })

  it('exist for every refusal a consumer can give but one, which is a matter of the token', () => {
    const missing = refusals.filter((refusal) => !(problemCodes as string[]).includes(refusal))
    expect(missing).toEqual(['unknown_user'])
  })

  it('carry type, title, status, code and, if there is one, the detail', () => {
    expect(problem('sold_out')).toEqual({
      status: 409,
      headers: { 'content-type': 'application/problem+json' },
      body: {
        type: 'urn:holdfast:problem:sold_out',
        title: 'Not enough units are left',
        status: 409,
        code: 'sold_out',
      },
    })
    expect(problem('bad_request', 'why').body).toMatchObject({ detail: 'why' })
  })

  it('tell a client that is not who it should be how to say who it is', () => {
    expect(problem('unauthenticated').headers['www-authenticate']).toBe('Bearer')
  })

  it('are made of whatever is thrown on the way', () => {
    const named = (type: string, status: number) => Object.assign(new Error(type), { type, status })
    expect(codeOf(new ProblemError('cart_empty'))).toBe('cart_empty')
    expect(codeOf(new DatabaseUnavailableError('locked'))).toBe('database_unavailable')
    expect(codeOf(new BrokerUnavailableError('gone'))).toBe('broker_unavailable')
    expect(codeOf(named('entity.parse.failed', 400))).toBe('malformed_json')
    expect(codeOf(named('entity.too.large', 413))).toBe('body_too_large')
    expect(codeOf(named('encoding.unsupported', 415))).toBe('unsupported_media_type')
    expect(codeOf(named('charset.unsupported', 415))).toBe('unsupported_media_type')
    expect(codeOf(named('request.aborted', 400))).toBe('bad_request')
  })

  it('of our own making say nothing about what went wrong', () => {
    for (const thrown of [
      new Error('secret path /etc'),
      'text',
      undefined,
      null,
      { status: 503 },
    ]) {
      const { status, body } = toProblem(thrown)
      expect(status).toBe(500)
      expect(JSON.stringify(body)).not.toContain('secret')
      expect((body as ProblemBody).code).toBe('internal_error')
    }
  })
})
