import { expect } from 'vitest'
import { problemKind, type ProblemCode } from '../../src/api/http/problem.ts'
import type { Answer } from './http.ts'

/** Expects a problem of RFC 9457 with this status and code and its headers. */
export function expectProblem(answer: Answer, status: number, code: ProblemCode): void {
  const { headers, body, text } = answer
  expect({ status: answer.status, code: body['code'] }, text).toEqual({ status, code })
  expect(headers.get('content-type')).toBe('application/problem+json')
  expect(headers.get('x-request-id')).toMatch(/^[\w.-]{1,100}$/)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(body).toMatchObject({ type: `urn:holdfast:problem:${code}`, status })
  expect(body['title']).toEqual(expect.any(String))
  const { retryAfter } = problemKind(code)
  const wait = headers.get('retry-after')
  if (retryAfter === undefined) expect(wait).toBeNull()
  else expect([0, 1, 2]).toContain(Number(wait) - retryAfter)
  expect(headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
}
