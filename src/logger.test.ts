import { describe, expect, it } from 'vitest'
import { createLogger, createRedact } from './logger.ts'

const secret = 'a "quoted" secret \\ of ours'
const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'

/** Returns the line that a call of the logger writes. */
function lineOf(log: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  log(createLogger('trace', { role: 'api' }, { redact: createRedact([secret]), destination }))
  expect(lines).toHaveLength(1)
  return lines[0] ?? ''
}

/** Makes an error as drivers and parsers do: with attached data and a cause. */
function carryingError(): Error {
  const cause = Object.assign(new Error(`cause: ${jwt}`), { code: 'E_CAUSE', body: 'attached' })
  return Object.assign(new Error(`of ann@example.com with Bearer abc.def`, { cause }), {
    body: 'attached',
    config: { headers: { authorization: 'attached' } },
  })
}

describe('a line of the log', () => {
  it.each([
    ['a secret of this process', `x ${secret} y`],
    ['a token', `x ${jwt} y`],
    ['a token cut off', `x ${jwt.slice(0, 40)} y`],
    ['a bearer credential', 'x Bearer s3cr3t-value y'],
    ['an address of e-mail', 'x ann.o-neill+sale@mail.example.co.uk y'],
    ['an address in a URL', 'x ann.o-neill%2Bsale%40mail.example.co.uk y'],
    ['an address in a URL in a URL', 'x ann%2540example.com y'],
    ['an international address', 'x 用户@例え.jp y'],
    ['an address in two scripts', 'x jörg.müller@bücher.example y'],
    ['an address with marks', 'x उपयोगकर्ता@उदाहरण.भारत y'],
    ['an address of a domain in punycode', 'x ann@mail.xn--p1b6ci4b4b3a.xn--h2brj9c y'],
    ['an international address in a URL', 'x %E7%94%A8%E6%88%B7%40%E4%BE%8B%E3%81%88.jp y'],
    ['an international domain in a URL', 'x ann%40%D0%BF%D0%BE.%D1%80%D1%84 y'],
  ])('has no %s, in a message, a field, a key or an error', (_title, text) => {
    const planted = text.slice(2, -2)
    const lines = [
      lineOf((logger) => {
        logger.info(text)
      }),
      lineOf((logger) => {
        logger.info({ deep: { deeper: [text] } }, 'x')
      }),
      lineOf((logger) => {
        logger.error({ err: new Error(text, { cause: new Error(text) }) }, 'x')
      }),
      lineOf((logger) => {
        logger.child({ given: text }).info('x')
      }),
    ]
    for (const line of lines) {
      expect(line).not.toContain(planted)
      expect(line).not.toContain(JSON.stringify(planted).slice(1, -1))
      expect(() => JSON.parse(line) as unknown).not.toThrow()
    }
  })

  it('says what an error says, where and why, and nothing of what it carries', () => {
    const line = lineOf((logger) => {
      logger.error({ err: carryingError() }, 'failed')
    })
    expect(line).not.toContain('attached')
    expect(JSON.parse(line)).toMatchObject({
      err: {
        type: 'Error',
        message: 'of [address] with Bearer [token]',
        stack: expect.stringContaining('logger.test.ts') as string,
        cause: { message: 'cause: [token]', code: 'E_CAUSE' },
      },
    })
  })

  it('has no value under a telling name', () => {
    const names = ['authorization', 'token', 'email', 'idempotencyKey', 'paymentMethod']
    const values = Object.fromEntries(names.map((name) => [name, 'planted']))
    const line = lineOf((logger) => {
      logger.info({ ...values, request: values }, 'x')
    })
    expect(line).not.toContain('planted')
  })

  it('keeps what only looks a little like one', () => {
    const text =
      'at file:///app/node_modules/express@5.3.0/index.js:1 a@b 3 @ 5 a%40b 3%40 eyJ bearer'
    expect(createRedact([])(text)).toBe(text)
  })

  it('is not emptied by secrets of a few characters', () => {
    expect(createRedact(['', 'a', 'in'])('a line in a log')).toBe('a line in a log')
  })

  it('is read fast, however long and whatever is in it', () => {
    const redact = createRedact([secret])
    const startedAt = performance.now()
    const texts = ['a', '.', 'eyJ', 'Bearer ', 'a@', 'a@a.', '%40', 'a%40a.']
    for (const text of texts) redact(text.repeat(100_000))
    // Quadratic time would be minutes; a busy machine takes two seconds.
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })
})
