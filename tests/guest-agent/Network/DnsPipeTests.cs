using System.Text;
using RunnerVm.GuestAgent.Network;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Network;

public sealed class DnsPipeTests
{
    private static readonly byte[] Query = [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, .. "a"u8, 3, .. "com"u8, 0, 0, 1, 0, 1];

    private static byte[] WithOpt(int size) => [.. Query, 0, 0, 41, (byte)(size >> 8), (byte)size, 0, 0, 0, 0, 0, 0];

    [Fact]
    public void A_client_gets_what_it_can_take_between_512_and_4096_bytes()
    {
        Assert.Equal(512, DnsPipe.SizeLimit(Query));
        Assert.Equal(1232, DnsPipe.SizeLimit(WithOpt(1232)));
        Assert.Equal(512, DnsPipe.SizeLimit(WithOpt(100)));
        Assert.Equal(4096, DnsPipe.SizeLimit(WithOpt(65535)));
        Assert.Equal(512, DnsPipe.SizeLimit([]));
        Assert.Equal(512, DnsPipe.SizeLimit(Query.AsSpan(0, 15)));
    }

    [Fact]
    public void An_answer_too_long_keeps_its_question_and_says_truncated()
    {
        byte[] answer = [.. Query, .. new byte[600]];
        answer[7] = 30;
        Assert.Same(answer, DnsPipe.Fit(answer, 1232));
        var cut = DnsPipe.Fit(answer, 512);
        Assert.Equal(Query.Length, cut.Length);
        Assert.Equal((2, 1, 0), (cut[2] & 2, cut[5], cut[7]));
    }

    [Fact]
    public void Damaged_messages_are_survived()
    {
        var random = new Random(3);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = WithOpt(1232);
            for (var n = random.Next(5); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            var part = bytes.AsSpan(0, random.Next(12, bytes.Length + 1)).ToArray();
            Assert.InRange(DnsPipe.SizeLimit(part), 512, 4096);
            Assert.True(DnsPipe.Fit(part, 12).Length <= part.Length);
        }
    }

    [Fact]
    public void Resolv_conf_replaces_a_link_and_does_not_follow_it()
    {
        var folder = Directory.CreateTempSubdirectory("resolver");
        try
        {
            var target = Path.Join(folder.FullName, "elsewhere");
            File.WriteAllText(target, "untouched");
            var path = Path.Join(folder.FullName, "etc", "resolv.conf");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.CreateSymbolicLink(path, target);
            ResolverFile.Write(path);
            Assert.Equal("untouched", File.ReadAllText(target));
            Assert.StartsWith("nameserver 198.18.0.53\n", Encoding.ASCII.GetString(File.ReadAllBytes(path)), StringComparison.Ordinal);
            Assert.Null(new FileInfo(path).LinkTarget);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_program_of_labels_and_jumps_is_assembled()
    {
        var code = new BpfAssembler();
        code.JumpIfEqual(BpfAssembler.R2, 10, "end");
        code.LoadMap(BpfAssembler.R1, 7);
        code.Label("end");
        code.Exit();
        Assert.Equal("15020200" + "0A000000" + "18110000" + "07000000" + "0000000000000000" + "9500000000000000", Convert.ToHexString(code.Assemble()));
    }
}
