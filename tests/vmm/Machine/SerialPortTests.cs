using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Legacy;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class SerialPortTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("runnervm-serial-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Registers_are_those_of_a_16550() =>
        Assert.Equal("PASS\n", RunningGuest.Run(FreestandingGuest.Build("serial_port")).Console);

    [Fact]
    public void Much_output_arrives_whole_and_in_order()
    {
        var console = RunningGuest.Run(FreestandingGuest.Build("long_lines", pvh: false, "LINES=400")).Console.Split('\n');
        Assert.Equal(400 + 2, console.Length);
        for (var i = 0; i < 400; i++) Assert.StartsWith($"{i:000000}....", console[i], StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_whose_console_nobody_reads_comes_to_its_end()
    {
        // A pipe and our ring together hold 128 KiB of its 236.
        var resources = new VmResources { Serial = new() { SerialOutPath = Pipe() } };
        using var guest = RunningGuest.Start(FreestandingGuest.Build("long_lines", pvh: false, "LINES=4000"), resources);
        Assert.Equal(0, guest.WaitForEnd().ExitCode);
    }

    [Fact]
    public void A_slow_reader_hears_how_much_it_missed()
    {
        const int Sent = 300_000;
        var path = Pipe();
        using var loop = new EventLoop();
        using var output = new SerialOutput(FileDescriptor.Open(path, LibC.O_RDWR | LibC.O_NONBLOCK), loop);
        for (var i = 0; i < Sent; i++) output.Put((byte)'x');
        var lost = output.Lost;
        var thread = new Thread(loop.Run) { IsBackground = true };
        thread.Start();
        Assert.InRange(lost, 1, Sent);

        using var reader = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Share = FileShare.ReadWrite, BufferSize = 0 });
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (!text.ToString().EndsWith("in time]\r\n", StringComparison.Ordinal))
            text.Append(Encoding.ASCII.GetString(buffer, 0, reader.Read(buffer)));
        Assert.Contains($"\r\n[{lost} bytes of the console were lost: nobody read them in time]\r\n", text.ToString(), StringComparison.Ordinal);
        Assert.Equal(Sent, text.ToString().Count(static c => c == 'x') + lost);
        loop.Stop();
        thread.Join();
    }

    [Fact]
    public void What_is_typed_reaches_the_guest_however_fast_it_comes()
    {
        var path = Pipe();
        using var writer = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, BufferSize = 0 });
        var typed = string.Concat(Enumerable.Range(0, 100).Select(static i => $"line {i}\n"));
        var input = FileDescriptor.Open(path, LibC.O_RDWR | LibC.O_NONBLOCK);
        using var guest = RunningGuest.Start(FreestandingGuest.Build("echo"), options: new(Input: input));
        guest.WaitForConsole("ready\n"); // Switching its FIFO on, the driver throws away what is there.
        writer.Write(Encoding.ASCII.GetBytes(typed + "\u0004"));
        guest.WaitForEnd();
        Assert.Equal($"ready\n{typed}PASS\n", guest.Console);
    }

    [Fact]
    public void A_console_file_that_cannot_be_made_names_the_field()
    {
        FreestandingGuest.RequireKvm();
        var resources = new VmResources { Serial = new() { SerialOutPath = Path.Combine(_folder, "no", "file") } };
        var fault = Assert.Throws<VmmFaultException>(() => RunningGuest.Build(FreestandingGuest.Build("hello"), resources));
        Assert.StartsWith("serial_out_path: Cannot open", fault.Message, StringComparison.Ordinal);
    }

    private string Pipe()
    {
        var path = Path.Combine(_folder, "pipe");
        using var mkfifo = System.Diagnostics.Process.Start("mkfifo", [path]);
        mkfifo.WaitForExit();
        return path;
    }
}
