import { Modal, Text } from '@mantine/core'
import { $dashboards } from '@/api/client'
import { CopyBlock } from '@/components/copy-block'
import { Empty, Loaded } from '@/components/states'

/** The end of a process's log, secrets removed. */
export function LogTail({ service, close }: { service: string; close: () => void }) {
  return (
    <Modal opened={service !== ''} onClose={close} title={`Log of ${service}`} size="xl">
      {service !== '' && <Lines service={service} />}
    </Modal>
  )
}

function Lines({ service }: { service: string }) {
  const log = $dashboards.useQuery('get', '/api/v1/system/logs/{service}', {
    params: { path: { service } },
  })
  return (
    <Loaded query={log} what={`The log of ${service}`} rows={10}>
      {({ lines, truncated }) =>
        lines.length === 0 ? (
          <Empty>It has not written a line yet.</Empty>
        ) : (
          <>
            {truncated && (
              <Text fz="xs" c="dimmed">
                Only the last lines; all of it is in the file.
              </Text>
            )}
            <CopyBlock label={`${lines.length} lines`} value={lines.join('\n')} />
          </>
        )
      }
    </Loaded>
  )
}
