using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Api.Http;

/// <summary>Answers one request.</summary>
internal delegate HttpResponse HttpHandler(scoped in HttpRequest request);

/// <summary>
/// One client: what it sent and is not answered yet, what it was answered and has not read yet; both bounded. A client
/// that does not read its answers is not read from either. API thread only.
/// </summary>
internal sealed class HttpConnection(FileDescriptor socket, int mostBody) : IDisposable
{
    /// <summary>Answers that wait to be read, before no further request is looked at.</summary>
    private const int MostPending = 64 << 10;
    private const int FirstBuffer = 4096;

    /// <summary>What a client may still send after its last answer, before it is cut off.</summary>
    private const int MostDiscarded = 1 << 20;
    private readonly MemoryStream _pending = new();
    private byte[] _buffer = new byte[FirstBuffer];
    private int _filled;
    private int _sent;
    private int _discarded;
    private bool _ending;
    private bool _draining;
    private bool _continued;

    public FileDescriptor Socket { get; } = socket;

    /// <summary>The client is gone, or it sent too much after its last answer.</summary>
    public bool Finished { get; private set; }

    /// <summary>What the connection waits for.</summary>
    public EpollEvents Wanted => _pending.Length > _sent ? EpollEvents.Writable : EpollEvents.Readable;

    /// <summary>Bytes held for this client. Bounded, whatever it sends.</summary>
    public int Held => _buffer.Length + _pending.Capacity;

    /// <summary>The socket is ready for what was <see cref="Wanted"/>.</summary>
    public void Serve(HttpHandler handler)
    {
        try
        {
            if (_draining) Discard();
            if (_draining || (Wanted == EpollEvents.Readable && !Receive())) return;
            do
            {
                if (!Send()) return;
            }
            while (!_ending && Answer(handler));
            Send();
        }
        catch (HttpRefusal refusal)
        {
            End(HttpResponse.Fault(refusal.Message));
        }
    }

    /// <summary>The last answer, and then the end.</summary>
    public void End(HttpResponse response)
    {
        _ending = true;
        _filled = 0;
        _pending.Write(response.ToBytes(close: true));
        Send();
    }

    public void Dispose()
    {
        Socket.Dispose();
        _pending.Dispose();
    }

    /// <summary>False when the client has gone or nothing came after all.</summary>
    private bool Receive()
    {
        if (_filled == _buffer.Length) Array.Resize(ref _buffer, Math.Min(_buffer.Length * 2, HttpRequestReader.MostHead + mostBody));
        var count = UnixSocket.Read(Socket, _buffer.AsSpan(_filled));
        if (count <= 0)
        {
            Finished = count != -Native.Libc.LibC.EAGAIN && count != -Native.Libc.LibC.EINTR;
            return false;
        }

        _filled += (int)count;
        return true;
    }

    /// <summary>A socket closed with bytes unread would have the client lose the answer to a reset.</summary>
    private void Discard()
    {
        var count = UnixSocket.Read(Socket, _buffer);
        if (count > 0) _discarded += (int)count;
        Finished = count == 0 || _discarded > MostDiscarded || (count < 0 && count != -Native.Libc.LibC.EAGAIN && count != -Native.Libc.LibC.EINTR);
    }

    /// <summary>Answers what is complete in the buffer; true when it stopped because enough answers wait.</summary>
    private bool Answer(HttpHandler handler)
    {
        var done = 0;
        try
        {
            while (!_ending && _pending.Length - _sent < MostPending)
            {
                var reader = new HttpRequestReader(_buffer.AsSpan(done, _filled - done), mostBody);
                var state = reader.TryRead(out var request);
                if (state == HttpReadState.NeedsContinue && !_continued)
                {
                    _pending.Write(HttpResponse.Continue.Span);
                    _continued = true;
                }

                if (state != HttpReadState.Complete) return false;
                _continued = false;
                _pending.Write(handler(request).ToBytes(request.Close));
                _ending = request.Close;
                done += reader.Consumed;
            }

            return _pending.Length > _sent;
        }
        finally
        {
            _buffer.AsSpan(done, _filled - done).CopyTo(_buffer);
            _filled -= done;
        }
    }

    /// <summary>False when the client has to read first, or is gone.</summary>
    private bool Send()
    {
        while (_sent < _pending.Length)
        {
            var count = UnixSocket.Write(Socket, _pending.GetBuffer().AsSpan(_sent, (int)_pending.Length - _sent));
            if (count == -Native.Libc.LibC.EINTR) continue;
            if (count < 0)
            {
                Finished = count != -Native.Libc.LibC.EAGAIN;
                return false;
            }

            _sent += (int)count;
        }

        _pending.SetLength(0);
        _sent = 0;
        if (_ending && !_draining) UnixSocket.FinishSending(Socket);
        _draining = _ending;
        return !_ending;
    }
}
