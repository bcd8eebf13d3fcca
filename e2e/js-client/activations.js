'use strict'

const assert = require('node:assert/strict')
const { setTimeout: sleep } = require('node:timers/promises')
const { client } = require('./connect')

const ACTION = "function main(args) { console.log('a log line'); return args }"
const DEADLINE_MS = 60_000

// Records are stored after the answer: ask again while the server does not know the id.
async function stored (activationId) {
  const end = Date.now() + DEADLINE_MS
  for (;;) {
    try {
      return await client.activations.get({ name: activationId })
    } catch (error) {
      if (error.statusCode !== 404 || Date.now() > end) throw error
      await sleep(50)
    }
  }
}

async function main () {
  await client.actions.create({ name: 'logger', action: ACTION })
  const since = Date.now() - 60_000
  const { activationId } = await client.actions.invoke({ name: 'logger', params: { n: 1 } })

  const record = await stored(activationId)
  assert.equal(record.response.status, 'success')
  assert.deepEqual(record.response.result, { n: 1 })

  const { logs } = await client.activations.logs(activationId)
  assert.equal(logs.length, 1)
  assert.match(logs[0], /^\S+\s+stdout: a log line$/)

  const result = await client.activations.result(activationId)
  assert.deepEqual(result, record.response)

  const list = await client.activations.list({ name: 'logger', since, limit: 10 })
  assert.ok(list.some(entry => entry.activationId === activationId && entry.statusCode === 0))
  const [full] = await client.activations.list({ name: 'logger', since, docs: true })
  assert.deepEqual(full, record)

  await assert.rejects(client.activations.get('0'.repeat(32)), { statusCode: 404 })
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
