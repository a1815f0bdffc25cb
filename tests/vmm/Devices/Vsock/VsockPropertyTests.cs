using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>Guests and hosts that do things in any order, held against what each of them knows.</summary>
public sealed class VsockPropertyTests
{
    private const int MostOpen = 5;

    [Fact]
    public void Bytes_arrive_whole_and_in_order_within_credit_and_no_connection_is_left()
    {
        var (runs, steps, bytes) = (0, 0, 0L);
        var actions = Gen.Choose(0, int.MaxValue).ArrayOf();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(60).WithEndSize(300), Prop.ForAll(actions.ToArbitrary(), script =>
        {
            using var run = new Run();
            foreach (var action in script) run.Act((byte)action, (byte)(action >> 8), (ushort)(action >> 16));
            bytes += run.Finish();
            steps += script.Length;
            runs++;
        }));
        TestContext.Current.TestOutputHelper?.WriteLine($"{runs} runs, {steps} actions, {bytes} bytes checked");
        Assert.True(runs >= 60 && bytes > 0);
    }

    [Fact]
    public void A_guest_that_sends_anything_is_answered_and_breaks_nothing()
    {
        var (runs, packets) = (0, 0);
        var script = ArbMap.Default.GeneratorFor<(byte Operation, byte Ports, uint Length, uint Credit, byte[] Payload)>().ArrayOf();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(150), Prop.ForAll(script.ToArbitrary(), packetsOfRun =>
        {
            using var guest = new VsockGuest();
            using var listener = guest.Listen(0);
            foreach (var (operation, ports, length, credit, payload) in packetsOfRun)
            {
                if (guest.Room > 100) guest.Post(4, (uint)(credit % 200));
                var header = VsockGuest.Header((VsockOperation)(operation % 9), new((uint)ports % 2, (uint)ports % 3)) with
                {
                    Length = operation > 200 ? length : (uint)payload.Length,
                    Type = (ushort)(operation > 250 ? 2 : 1),
                    Shutdown = (VsockShutdown)(length % 5),
                    BufferSize = credit,
                    Forwarded = length,
                };
                Assert.True(guest.Send(header, payload));
                UnixSocket.TryAccept(listener)?.Dispose();
                while (guest.TryReceive(out _))
                {
                }

                packets++;
            }

            guest.Driver.Status = 0;
            Assert.Equal(0, guest.Device.Connections);
            runs++;
        }));
        TestContext.Current.TestOutputHelper?.WriteLine($"{runs} runs, {packets} packets");
        Assert.True(packets > 1000);
    }

    private sealed class Run : IDisposable
    {
        private readonly VsockGuest _guest = new();
        private readonly FileDescriptor _listener;
        private readonly Dictionary<VsockPorts, VsockModel> _models = [];
        private readonly List<VsockModel> _all = [];
        private uint _nextPort = 100;

        public Run() => _listener = _guest.Listen(52);

        public void Act(byte kind, byte which, ushort size)
        {
            if (which % 4 == 0) size %= 64; // Few bytes are as good a guess as many.
            Collect();
            if (_models.Count == 0 || (kind % 16 == 0 && _models.Count < MostOpen)) Open(fromHost: which % 2 == 0, guestBuffer: 1u + size);
            else if (kind % 16 < 5) Guest(kind, _models.Values.ElementAt(which % _models.Count), size);
            else if (kind % 16 < 10) Host(kind, _all[which % _all.Count], size);
            else if (_guest.Room > 20) _guest.Post(1 + (which % 8), 45u + (size % 4000u));
            Collect();
        }

        /// <summary>Everybody takes what there is, then leaves.</summary>
        public long Finish()
        {
            Settle();
            foreach (var model in _all) model.HostFinishes();
            Settle();
            foreach (var model in _models.Values.ToArray()) model.GuestShutsDown(_guest, VsockShutdown.Both);
            Settle();
            Assert.Empty(_models);
            foreach (var model in _all) model.AssertComplete();
            Assert.True(_guest.Device.Counters.Killed <= _all.Count(model => model.HostLeftBytes));
            foreach (var model in _all) model.HostCloses();
            _guest.Pump();
            Assert.Equal(0, _guest.Device.Connections);
            return _all.Sum(model => (long)model.BytesChecked);
        }

        public void Dispose()
        {
            foreach (var model in _all) model.HostCloses();
            _listener.Dispose();
            _guest.Dispose();
        }

        private void Guest(byte kind, VsockModel model, ushort size)
        {
            switch (kind % 16)
            {
                case 1 or 2: model.GuestSends(_guest, size); break;
                case 3: model.GuestConsumes(_guest, size); break;
                case 4 when size % 7 == 0: model.GuestShutsDown(_guest, (VsockShutdown)((size % 3) + 1)); break;
                case 4 when size % 31 == 1: model.GuestResets(_guest); break;
                default: model.GuestAsksForCredit(_guest); break;
            }
        }

        private static void Host(byte kind, VsockModel model, ushort size)
        {
            switch (kind % 16)
            {
                case 5 or 6: model.HostReads(1 + size); break;
                case 7 or 8: model.HostWrites(1 + size); break;
                case 9 when size % 11 == 0: model.HostFinishes(); break;
                case 9 when size % 13 == 0: model.HostCloses(); break;
            }
        }

        private void Open(bool fromHost, uint guestBuffer)
        {
            MakeRoom();
            VsockPorts ports;
            FileDescriptor host;
            if (fromHost)
            {
                host = _guest.Connect($"CONNECT {_nextPort++}\n");
                ports = Await(VsockOperation.Request).Ports;
                _guest.Send(VsockGuest.Header(VsockOperation.Response, ports) with { BufferSize = guestBuffer });
                Assert.Equal($"OK {ports.Host}\n", _guest.ReadText(host));
            }
            else
            {
                ports = new(52, _nextPort++);
                Assert.True(_guest.Send(VsockGuest.Header(VsockOperation.Request, ports) with { BufferSize = guestBuffer }));
                host = UnixSocket.TryAccept(_listener)!;
                Await(VsockOperation.Response);
            }

            var model = new VsockModel(ports, host, guestBuffer);
            _models.Add(ports, model);
            _all.Add(model);
            model.GuestAsksForCredit(_guest);
        }

        private VsockPacket Await(VsockOperation operation)
        {
            while (true)
            {
                MakeRoom();
                var packet = _guest.Receive();
                if (packet.Operation == operation) return packet;
                Hand(packet);
            }
        }

        private void Settle()
        {
            for (var quiet = 0; quiet < 3; quiet++)
            {
                MakeRoom();
                if (Collect()) quiet = 0;
                foreach (var model in _models.Values.ToArray()) model.GuestConsumes(_guest, int.MaxValue);
                foreach (var model in _all)
                {
                    var before = model.BytesChecked;
                    model.HostReads(1 << 17);
                    if (model.BytesChecked != before) quiet = 0;
                }
            }
        }

        private void MakeRoom()
        {
            while (_guest.Room > 64) _guest.Post(8);
        }

        private bool Collect()
        {
            var any = false;
            while (_guest.TryReceive(out var packet))
            {
                any = true;
                Hand(packet);
            }

            foreach (var gone in _models.Values.Where(model => !model.Open).ToArray()) _models.Remove(gone.Ports);
            return any;
        }

        private void Hand(VsockPacket packet)
        {
            if (_models.TryGetValue(packet.Ports, out var model)) model.OnPacket(_guest, packet);
            else Assert.Equal(VsockOperation.Reset, packet.Operation);
        }
    }
}
