import { prettyFactory } from 'pino-pretty'
import { describe, expect, it } from 'vitest'
import { createLogger, createRedact, type Logger } from './logger.ts'
import { createTerminalFormat } from './terminal-log.ts'

const secret = 'a "quoted" secret of ours'

/** Returns the output of the logger on a terminal without colours. */
function shown(log: (logger: Logger) => void): string {
  const texts: string[] = []
  const destination = { write: (text: string) => void texts.push(text) }
  const format = createTerminalFormat(prettyFactory, false)
  const options = { redact: createRedact([secret]), destination, format }
  log(createLogger('trace', { role: 'api', node: 'api-1' }, options))
  return texts.join('')
}

describe('the log on a terminal', () => {
  it('is a line with the time, the level, the message and what belongs to it', () => {
    const text = shown((logger) => {
      logger.warn({ applied: ['0001_initial'] }, 'database migrated')
    })
    expect(text).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: database migrated \{"applied":\["0001_initial"\]\}\n$/,
    )
  })

  it('keeps the order of the lines', () => {
    const text = shown((logger) => {
      for (const word of ['first', 'second', 'third']) logger.info(word)
    })
    expect(text.match(/first|second|third/g)).toEqual(['first', 'second', 'third'])
  })

  it('shows the stack of an error over several lines', () => {
    const text = shown((logger) => {
      logger.error({ err: new Error('broken') }, 'failed')
    })
    expect(text).toMatch(/ERROR: failed *\n[^]*broken[^]*\n +at .*terminal-log\.test\.ts/)
  })

  it('has no secret, token or address in it, escaped or not', () => {
    const text = shown((logger) => {
      logger.info({ deep: { text: secret } }, `${secret} ann@example.com Bearer abc.def`)
      logger.error({ err: new Error(secret) }, 'x')
      logger.info({ encoded: JSON.stringify({ nested: secret }) }, JSON.stringify(secret))
    })
    expect(text).not.toContain('quoted')
    expect(text).not.toMatch(/ann@|abc\.def/)
  })

  it('has no control characters that somebody sent', () => {
    const text = shown((logger) => {
      logger.info({ url: '/\u001b[2J', deep: ['\u009b31m'] }, 'bell \u0007 \u001b]0;title')
    })
    expect(text.match(/[^\P{Cc}\n]/gu)).toBeNull()
  })
})
