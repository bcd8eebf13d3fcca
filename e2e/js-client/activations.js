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

// A record is known by its id before lists have it: those are the store's alone.
async function listed (options, activationId) {
  const end = Date.now() + DEADLINE_MS
  for (;;) {
    const list = await client.activations.list(options)
    const entry = list.find(entry => entry.activationId === activationId)
    if (entry) return entry
    assert.ok(Date.now() < end, `it is never listed: ${JSON.stringify(list)}`)
    await sleep(50)
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

  const entry = await listed({ name: 'logger', since, limit: 10 }, activationId)
  assert.equal(entry.statusCode, 0)
  assert.deepEqual(await listed({ name: 'logger', since, docs: true }, activationId), record)

  await assert.rejects(client.activations.get('0'.repeat(32)), { statusCode: 404 })
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
