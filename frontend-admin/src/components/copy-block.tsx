import { Box, Button, Code, CopyButton, Group, Text } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'

/** Text to take elsewhere, with a button that copies it whole. */
export function CopyBlock({ label, value }: { label: string; value: string }) {
  return (
    <Box>
      <Group justify="space-between" mb={4}>
        <Text fz="xs" c="dimmed">
          {label}
        </Text>
        <CopyButton value={value}>
          {({ copied, copy }) => (
            <Button
              variant="default"
              size="compact-xs"
              onClick={copy}
              aria-label={copied ? `${label} copied` : `Copy ${label}`}
              leftSection={copied ? <IconCheck size={13} /> : <IconCopy size={13} />}
            >
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {value}
      </Code>
    </Box>
  )
}
