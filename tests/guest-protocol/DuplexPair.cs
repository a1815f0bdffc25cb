using System.IO.Pipelines;

namespace RunnerVm.Tests.GuestProtocol;

/// <summary>Two streams, each reading what the other writes; a writer waits when 64 KiB are unread, as a socket's does.</summary>
internal static class DuplexPair
{
    public static (Stream A, Stream B) Create()
    {
        var ab = new Pipe(Options());
        var ba = new Pipe(Options());
        return (new Half(ba.Reader, ab.Writer), new Half(ab.Reader, ba.Writer));
    }

    private static PipeOptions Options() => new(pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024, useSynchronizationContext: false);

    private sealed class Half(PipeReader reader, PipeWriter writer) : Stream
    {
        private readonly Stream _in = reader.AsStream();
        private readonly Stream _out = writer.AsStream();

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _in.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _out.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                reader.CancelPendingRead();
                writer.Complete();
                reader.Complete();
            }

            base.Dispose(disposing);
        }
    }
}
